# Completions of session-warden for PowerShell. The program itself answers what fits where the cursor is.

Register-ArgumentCompleter -Native -CommandName session-warden -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # Words are passed on as they are written: nothing of what is typed is evaluated.
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object {
        if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { $_.Extent.Text }
    })
    # A word that is empty would be lost: the last one begins with a dot for that reason.
    $program = Get-Command -CommandType Application -Name session-warden -ErrorAction SilentlyContinue | Select-Object -First 1
    if ($null -eq $program) { return }
    $answer = @(& $program __complete powershell @words ".$wordToComplete" 2>$null)
    if ($answer.Count -lt 2 -or $answer[0] -ne 'values') { return }

    $answer | Select-Object -Skip 1 | ForEach-Object {
        $value, $about = $_ -split "`t", 2
        $text = if ($value -match '[^\w./:=+%-]') { "'" + $value.Replace("'", "''") + "'" } else { $value }
        if (-not $about) { $about = $value }
        [System.Management.Automation.CompletionResult]::new($text, $value, 'ParameterValue', $about)
    }
}
