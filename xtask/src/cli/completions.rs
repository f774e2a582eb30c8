//! What a shell needs to complete this command line, behind `cargo`.

use clap::ValueEnum;
use clap_complete::{Shell as Generator, generate};

use crate::config::Config;

/// A script is made for a command of its own, which cargo's own completion calls in zsh; the others have to be told.
const NAME: &str = "cargo-xtask";

/// In bash one function completes `cargo`: ours takes what follows `xtask`, and leaves the rest to the one before it.
const BASH: &str = r#"
declare -F _completion_loader >/dev/null && _completion_loader cargo
_cargo_before_xtask=$(complete -p cargo 2>/dev/null | sed -n 's/.* -F \([^ ]*\) .*/\1/p')
[[ $_cargo_before_xtask != _cargo_with_xtask ]] || _cargo_before_xtask=_cargo
_cargo_with_xtask() {
    if [[ ${COMP_WORDS[1]} == xtask && $COMP_CWORD -gt 1 ]]; then
        COMP_WORDS=(cargo-xtask "${COMP_WORDS[@]:2}")
        COMP_CWORD=$((COMP_CWORD - 1))
        _cargo-xtask cargo-xtask "$2" "$3"
    elif declare -F "$_cargo_before_xtask" >/dev/null; then
        "$_cargo_before_xtask" "$@"
    fi
}
complete -F _cargo_with_xtask -o bashdefault -o default cargo
"#;

/// In fish, what completes the command of our own also completes what follows `cargo xtask`.
const FISH: &str = r#"
complete -c cargo -n '__fish_seen_subcommand_from xtask' -x -a '(complete -C (string replace -r "^\s*cargo\s+xtask" cargo-xtask -- (commandline -cp)))'
"#;

/// A shell whose completion can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// `source <(cargo xtask completions bash)` in ~/.bashrc.
    Bash,
    /// `cargo xtask completions fish > ~/.config/fish/completions/cargo-xtask.fish`, and the same into conf.d.
    Fish,
    /// `source <(cargo xtask completions zsh)` in ~/.zshrc, below compinit.
    Zsh,
}

/// The script for `shell`, with the profiles and tests of `config`.
pub fn completions(shell: Shell, config: Option<&Config>) -> String {
    let (generator, glue) = match shell {
        Shell::Bash => (Generator::Bash, BASH),
        Shell::Fish => (Generator::Fish, FISH),
        Shell::Zsh => (Generator::Zsh, ""),
    };
    let mut command = super::command(config);
    if let Some(config) = config {
        // A test may stand where the profile does, though the help shows profiles only.
        command = command.mut_subcommand("load-test", |command| {
            let both = super::names::profiles(config).and(super::names::tests(config));
            command
                .mut_arg("profile", |arg| arg.value_parser(both))
                // What is changed goes to the end, and these two are to stay behind it.
                .mut_arg("tests", |arg| arg)
                .mut_arg("k6_args", |arg| arg)
        });
    }
    let mut script = Vec::new();
    generate(generator, &mut command, NAME, &mut script);
    String::from_utf8_lossy(&script).into_owned() + glue
}
