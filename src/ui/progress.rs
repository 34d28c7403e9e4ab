//! The progress of the work, in one line on standard error: only on a terminal, only for work of more than a
//! second, and gone before anything else is printed.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::config::Environment;
use crate::os::interrupt::Interrupt;
use crate::os::progress::{Now, Phase, Progress};

/// Work that takes less shows nothing.
const SHORT: Duration = Duration::from_secs(1);

/// How often the line is drawn.
const EVERY: Duration = Duration::from_millis(100);

/// The width of a terminal that does not show its own.
const USUAL_WIDTH: u16 = 80;

/// The columns beside the text: the spinner and a space before it, and room for the `^C` that a terminal
/// shows after it, so that this is removed with the line.
const BESIDE: usize = 5;

/// True if standard error is a terminal that can remove a line again.
static CAN_SHOW: AtomicBool = AtomicBool::new(false);

/// How long this process has worked before, in milliseconds: many short pieces of work are a long one.
static WORKED: AtomicU64 = AtomicU64::new(0);

/// Finds out whether there is a terminal to show progress on.
pub(crate) fn set_up(environment: &Environment) {
    let can_clear = environment.get("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    CAN_SHOW.store(can_clear && io::stderr().is_terminal(), Ordering::Relaxed);
}

/// The progress of some work, shown until this is dropped.
pub(crate) struct Shown(Option<Drawing>);

struct Drawing {
    began: Instant,
    /// Nothing is sent: the work has ended when this is dropped.
    work: Sender<()>,
    thread: JoinHandle<()>,
}

/// Shows the progress of the work that begins now, unless it is to be quiet.
pub(crate) fn show(interrupt: &Interrupt, is_quiet: bool) -> Shown {
    if is_quiet || !CAN_SHOW.load(Ordering::Relaxed) {
        return Shown(None);
    }

    let began = Instant::now();
    let worked = Duration::from_millis(WORKED.load(Ordering::Relaxed));
    let wait = SHORT.saturating_sub(worked).max(EVERY);

    let (work, end) = channel();
    let interrupt = interrupt.clone();
    let thread = Builder::new().spawn(move || draw(&interrupt, &end, wait));
    Shown(thread.ok().map(|thread| Drawing { began, work, thread }))
}

impl Shown {
    /// Returns a writer that removes the line before it writes anything to `out`.
    pub(crate) fn before<W: Write>(self, out: W) -> Before<W> {
        Before { shown: self, out }
    }

    /// Removes the line, for good.
    fn end(&mut self) {
        let Some(Drawing { began, work, thread }) = self.0.take() else { return };
        drop(work);
        let _ = thread.join();
        let worked = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        WORKED.fetch_add(worked, Ordering::Relaxed);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.end();
    }
}

/// A writer that removes the line of progress first.
pub(crate) struct Before<W> {
    shown: Shown,
    out: W,
}

impl<W: Write> Write for Before<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.shown.end();
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Draws until the work ends, or a signal asks for that: the next one ends the process at once, and must
/// leave nothing behind.
fn draw(interrupt: &Interrupt, end: &Receiver<()>, wait: Duration) {
    if comes_within(end, wait) || interrupt.asked() {
        return;
    }

    let bar = bar(interrupt.progress().clone());
    while !interrupt.asked() {
        bar.tick();
        if comes_within(end, EVERY) {
            break;
        }
    }
    bar.finish_and_clear();
}

/// Returns the line: a spinner, and a text that is made anew each time.
fn bar(progress: Progress) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {text}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
    let style = style.with_key("text", move |_: &ProgressState, to: &mut dyn fmt::Write| {
        let room = usize::from(width()).saturating_sub(BESIDE);
        let text: String = phase_text(progress.now()).chars().take(room).collect();
        let _ = to.write_str(&text);
    });

    let target = ProgressDrawTarget::term_like(Box::new(Line::default()));
    let bar = ProgressBar::with_draw_target(None, target);
    bar.set_style(style.tick_chars("-\\|/-"));
    bar
}

/// Waits for the end of the work. Returns true if it comes in that time.
fn comes_within(end: &Receiver<()>, time: Duration) -> bool {
    end.recv_timeout(time) != Err(RecvTimeoutError::Timeout)
}

/// Returns the text that shows how far the work is.
fn phase_text(now: Now) -> String {
    let what = match now.phase {
        Phase::Map => "Reading the session map",
        Phase::Bridge => "Asking the bridge",
        Phase::Listing => "Listing session files",
        Phase::Processes => "Checking processes",
        Phase::Recheck => "Checking the session files again",
        Phase::Conversations => "Reading conversations",
        Phase::Restoring => "Restoring mappings",
        Phase::Checks => "Checking the installation",
        Phase::Cpu => "Measuring CPU use of idle processes",
        Phase::Ending => "Waiting for processes to end",
    };
    let done = grouped(now.done);
    let count = match now.total.map(grouped) {
        Some(total) if now.phase == Phase::Bridge => format!(": {done}/{total} mappings"),
        Some(total) => format!(": {done}/{total}"),
        None if now.done > 0 => format!(": {done}"),
        None => String::new(),
    };
    let opened = match now.opened {
        opened if opened > 0 && now.phase == Phase::Listing => {
            format!(" ({} opened)", grouped(opened))
        }
        _ => String::new(),
    };
    format!("{what}{count}{opened}")
}

/// `12,340`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn width() -> u16 {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map_or(USUAL_WIDTH, |(width, _)| width.0)
}

/// The terminal's line. Nothing fills it up to the right edge, so that what the terminal shows of a key,
/// such as `^C`, is in the same line, and is removed with it.
#[derive(Debug, Default)]
struct Line(Mutex<String>);

impl Line {
    fn push(&self, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
    }

    fn push_move(&self, count: usize, way: char) {
        if count > 0 {
            self.push(&format!("\x1b[{count}{way}"));
        }
    }
}

impl TermLike for Line {
    fn width(&self) -> u16 {
        width()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.push_move(n, 'A');
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.push_move(n, 'B');
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.push_move(n, 'C');
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.push_move(n, 'D');
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.push(text);
        self.push("\n");
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let is_filler = text.bytes().all(|byte| byte == b' ');
        if !is_filler {
            self.push(text);
        }
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.push("\r\x1b[2K");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let text = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        io::stderr().write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_shown_where_they_are_known() {
        let of = |phase, done, total, opened| phase_text(Now { phase, done, total, opened });
        assert_eq!(of(Phase::Map, 0, None, 0), "Reading the session map");
        assert_eq!(of(Phase::Bridge, 0, None, 0), "Asking the bridge");
        assert_eq!(of(Phase::Bridge, 12, Some(300), 0), "Asking the bridge: 12/300 mappings");
        assert_eq!(of(Phase::Listing, 0, None, 0), "Listing session files");
        assert_eq!(of(Phase::Listing, 12_340, None, 0), "Listing session files: 12,340");
        assert_eq!(of(Phase::Listing, 64, None, 1_000), "Listing session files: 64 (1,000 opened)");
        assert_eq!(of(Phase::Recheck, 0, None, 7), "Checking the session files again");
        assert_eq!(of(Phase::Conversations, 40, Some(200), 7), "Reading conversations: 40/200");
    }

    #[test]
    fn digits_are_in_groups_of_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
