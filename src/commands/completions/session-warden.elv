# Completions of session-warden for elvish. The program itself answers what fits where the cursor is.

use str

set edit:completion:arg-completer[session-warden] = {|@words|
  var answer = [(try { (external session-warden) __complete elvish $@words 2>/dev/null } catch { nop })]
  var kind = (if (> (count $answer) 0) { put $answer[0] } else { put '' })
  if (eq $kind values) {
    for line $answer[1..] {
      var @parts = (str:split &max=2 "\t" $line)
      if (> (count $parts) 1) {
        edit:complex-candidate $parts[0] &display=$parts[0]' ('$parts[1]')'
      } else {
        put $parts[0]
      }
    }
  } elif (or (eq $kind files) (eq $kind folders) (eq $kind commands)) {
    edit:complete-filename $words[-1]
  }
}
