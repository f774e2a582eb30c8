//! What a shell needs to complete this command line, behind `cargo`.

use clap::ValueEnum;
use clap::builder::TypedValueParser as _;
use clap_complete::{Shell as Generator, generate};

use super::names;
use crate::config::Config;

/// A script is made for a command of its own, which cargo's own completion calls in zsh; the others have to be told.
const NAME: &str = "cargo-xtask";
/// In bash the script stumbles over a dash in the name of its command.
const NAME_IN_BASH: &str = "xtask";

/// In bash one function completes `cargo`: ours takes what follows `xtask`, and leaves the rest to the one before it.
const BASH: &str = r#"
declare -F _completion_loader >/dev/null && _completion_loader cargo
_cargo_before_xtask=$(complete -p cargo 2>/dev/null | sed -n 's/.* -F \([^ ]*\) .*/\1/p')
[[ $_cargo_before_xtask != _cargo_with_xtask ]] || _cargo_before_xtask=_cargo
_cargo_with_xtask() {
    if [[ ${COMP_WORDS[1]} == xtask && $COMP_CWORD -gt 1 ]]; then
        COMP_WORDS=(xtask "${COMP_WORDS[@]:2}")
        COMP_CWORD=$((COMP_CWORD - 1))
        _xtask xtask "$2" "$3"
    elif declare -F "$_cargo_before_xtask" >/dev/null; then
        "$_cargo_before_xtask" "$@"
    fi
}
complete -F _cargo_with_xtask -o bashdefault -o default cargo
"#;

/// In fish, what completes the command of our own also completes what follows `cargo xtask`. The names are ours to add:
/// the script completes options and their values only.
const FISH: &str = r#"
complete -c cargo-xtask -n '__fish_cargo_xtask_using_subcommand load-test manifest compare history' -f -a '{names}'
complete -c cargo -n '__fish_seen_subcommand_from xtask' -x -a '(complete -C (string replace -r "^\s*cargo\s+xtask" cargo-xtask -- (commandline -cp)))'
"#;

/// A shell whose completion can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// `source <(cargo xtask completions bash)`; to keep it, have ~/.bashrc source a file with it.
    Bash,
    /// `cargo xtask completions fish | source`; to keep it, write it to a file in ~/.config/fish/conf.d.
    Fish,
    /// `source <(cargo xtask completions zsh)`; to keep it, have ~/.zshrc source a file with it, below compinit.
    Zsh,
}

/// The script for `shell`, with the profiles and tests of `config`.
pub fn completions(shell: Shell, config: &Config) -> String {
    let names = names::profiles(config).and(names::tests(config));
    let known: Vec<String> = names
        .possible_values()
        .into_iter()
        .flatten()
        .map(|name| name.get_name().to_owned())
        .collect();
    // A test may stand where the profile does, though the help shows profiles only.
    let mut command = super::command(Some(config)).mut_subcommand("load-test", |command| {
        command
            .mut_arg("profile", |arg| arg.value_parser(names))
            // What is changed goes to the end, and these two are to stay behind it.
            .mut_arg("tests", |arg| arg)
            .mut_arg("k6_args", |arg| arg)
    });
    let (generator, name, glue) = match shell {
        Shell::Bash => (Generator::Bash, NAME_IN_BASH, BASH.to_owned()),
        Shell::Fish => {
            let glue = FISH.replace("{names}", &known.join(" "));
            (Generator::Fish, NAME, glue)
        }
        Shell::Zsh => (Generator::Zsh, NAME, String::new()),
    };
    let mut script = Vec::new();
    generate(generator, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned() + &glue
}
