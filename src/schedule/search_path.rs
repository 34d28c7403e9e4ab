//! The `PATH` of a timer, made of that of the shell that installs it.

use std::path::{Path, PathBuf};

use super::lasting::Fleeting;

/// A `PATH` that outlives the shell, with what was changed in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SearchPath {
    /// The folders, each once.
    pub folders: Vec<PathBuf>,
    /// Changes that lose nothing, each a line for the user.
    pub notes: Vec<String>,
    /// Folders that were left out, or may be gone when the timer runs, each a line for the user.
    pub warnings: Vec<String>,
}

impl SearchPath {
    pub fn lasting(path: &str, fleeting: &Fleeting) -> Self {
        let mut this = Self::default();
        for entry in path.split(':') {
            if let Some(folder) = this.checked(entry, fleeting)
                && !this.folders.contains(&folder)
            {
                this.folders.push(folder);
            }
        }
        this
    }

    /// Returns the folder that an entry means to the timer, and notes what is not as it was.
    fn checked(&mut self, entry: &str, fleeting: &Fleeting) -> Option<PathBuf> {
        let folder = Path::new(entry);
        if entry.is_empty() {
            self.warn("an empty entry of PATH is left out: it means the working folder".to_owned());
            return None;
        }
        if !folder.is_absolute() {
            self.warn(format!("{entry} in PATH is left out: it is not an absolute path"));
            return None;
        }

        let lasting = fleeting.lasting(folder);
        let is_other = lasting != folder;
        let shown = lasting.display();
        if is_other && (!lasting.is_dir() || lasting.to_str().is_none_or(|text| text.contains(':')))
        {
            self.warn(format!(
                "{entry} in PATH is left out: it leads to {shown}, which is no folder for a PATH"
            ));
            return None;
        }
        if is_other {
            self.notes
                .push(format!("PATH has {shown} instead of {entry}, a link that does not last"));
        }
        if fleeting.has(&lasting) {
            self.warn(format!("{shown} in PATH is temporary, and may be gone when the timer runs"));
        }
        Some(lasting)
    }

    fn warn(&mut self, line: String) {
        if !self.warnings.contains(&line) {
            self.warnings.push(line);
        }
    }

    /// Returns the value of the variable; nothing if no folder is left.
    pub fn value(&self) -> Option<String> {
        let folders: Vec<&str> = self.folders.iter().filter_map(|folder| folder.to_str()).collect();
        (!folders.is_empty()).then(|| folders.join(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn only_what_lasts_is_kept_and_the_rest_is_reported() {
        let fleeting = Fleeting::of(&Environment::default());
        let of = |path| SearchPath::lasting(path, &fleeting);

        let usual = of("/usr/local/bin:/usr/bin:/bin:/usr/bin:/nowhere/bin");
        assert_eq!(usual.value().unwrap(), "/usr/local/bin:/usr/bin:/bin:/nowhere/bin");
        assert_eq!((usual.warnings.len(), usual.notes.len()), (0, 0), "{usual:?}");

        let odd = of(":bin:./x:~/bin::/run/user/7/x/bin:/usr/bin:");
        assert_eq!(odd.value().unwrap(), "/run/user/7/x/bin:/usr/bin");
        assert_eq!(odd.warnings.len(), 5, "{odd:?}");
        assert_eq!(of("").value(), None);
    }
}
