//! Arguments for k6 after `--`.

use super::super::table::{self, Class, Known, plain};
use super::Options;
use crate::error::UsageError;

/// The variables that we give to the scripts, and what a user does instead of setting each.
pub(super) const OUR_VARIABLES: [(&str, &str); 20] = [
    ("BASE_URL", "use --base-url"),
    ("WS_URL", "use --ws-url"),
    ("API_KEY", "use the environment variable API_KEY"),
    ("PROFILE", "use the first word of the command line"),
    ("TEST", "use the words after the profile"),
    ("TIME_SCALE", "use --time-scale"),
    ("VUS_SCALE", "use --vus-scale"),
    ("BLOCK_VUS", "use --vus of `compare`"),
    ("BLOCK_DURATION", "use --block of `compare`"),
    ("SUMMARY_PATH", "use --results"),
    ("TESTID", "use `--tag` after the `--`"),
    ("STEP_DURATION", "use --step of `capacity`"),
    ("STEP_LOAD", "use --start of `capacity`"),
    ("STEP_VUS", "give your variable another name"),
    ("STEP_GRACE", "give your variable another name"),
    ("REVISION", "give your variable another name"),
    ("MARKS", "give your variable another name"),
    ("WARM_UP", "give your variable another name"),
    ("RUNNER_SUMMARY", "give your variable another name"),
    ("TERMINATION_LOG", "give your variable another name"),
];
/// What stands for the value of a variable.
const HIDDEN: &str = "***";

impl Options {
    pub(super) fn of_args(args: &[String]) -> Result<Self, UsageError> {
        let mut options = Self {
            as_planned: true,
            ..Self::default()
        };
        let mut words = args.iter().map(String::as_str).peekable();
        while let Some(word) = words.next() {
            let (option, name, mut value) = option_of(word)?;
            let wants_value = option.map_or_else(
                || words.peek().is_some_and(|next| !next.starts_with('-')),
                |known| known.takes_value,
            );
            let apart = value.is_none() && wants_value;
            if apart {
                value = words.next().map(str::to_owned);
            }
            options.take_argument(option, &name, value, apart)?;
        }
        if !options.shown.is_empty() {
            let then = match options.as_planned {
                true if options.kept.is_empty() => "",
                true => ": the run is compared with no other",
                false => ", which may change the load",
            };
            let shown = options.shown.join(" ");
            options
                .notices
                .push(format!("k6 also gets `{shown}`{then}"));
        }
        Ok(options)
    }

    fn take_argument(
        &mut self,
        option: Option<&Known>,
        name: &str,
        value: Option<String>,
        apart: bool,
    ) -> Result<(), UsageError> {
        match option.map_or(Class::Load, |known| known.class) {
            Class::Ours(instead) => Err(UsageError(format!(
                "{name} is an option of k6 that every run sets itself: {instead}"
            ))),
            Class::Never(why) => Err(UsageError(format!(
                "{name} is an option of k6 that no run can have: {why}"
            ))),
            class => {
                let plain = option.map_or("", |known| known.names[0]);
                if plain == "env" {
                    return self.take_variable(name, &value.unwrap_or_default());
                }
                if plain == "tag" {
                    self.shown.push(name.to_owned());
                    self.shown.extend(value.clone());
                    self.tags.extend(value);
                    return Ok(());
                }
                self.insecure |=
                    plain == "insecureskiptlsverify" && value.as_deref() != Some("false");
                let words: Vec<String> = match value {
                    Some(value) if apart => vec![name.to_owned(), value],
                    Some(value) if name.starts_with("--") => vec![format!("{name}={value}")],
                    Some(value) => vec![format!("{name}{value}")],
                    None => vec![name.to_owned()],
                };
                self.shown.extend(words.iter().cloned());
                if class == Class::Load {
                    self.as_planned = false;
                    self.kept.extend(words.iter().cloned());
                }
                self.args.extend(words);
                Ok(())
            }
        }
    }

    /// A variable for the scripts: it goes through the environment, since everybody sees arguments.
    fn take_variable(&mut self, flag: &str, text: &str) -> Result<(), UsageError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            // Its value stands in the environment already.
            None => return Ok(()),
        };
        if let Some((_, instead)) = OUR_VARIABLES.iter().find(|(ours, _)| *ours == name) {
            return Err(UsageError(format!(
                "{flag} {name}: every run sets this variable itself: {instead}"
            )));
        }
        if name.starts_with("K6_") {
            return Err(UsageError(format!(
                "{flag} {name}: k6 takes variables with K6_ for options of its own; use another name"
            )));
        }
        let shown = [flag.to_owned(), format!("{name}={HIDDEN}")];
        self.shown.extend(shown.clone());
        self.kept.extend(shown);
        self.env.push((name.to_owned(), value));
        Ok(())
    }
}

/// A command line as it may be kept: without the values of variables after `--`.
pub fn without_values(words: impl Iterator<Item = String>) -> Vec<String> {
    let hide = |text: &str| match text.split_once('=') {
        Some((name, _)) => format!("{name}={HIDDEN}"),
        None => text.to_owned(),
    };
    let (mut behind, mut is_value) = (false, false);
    let kept = words.map(|word| {
        let shown = match word.as_str() {
            text if is_value => hide(text),
            text if behind && text.starts_with("--env=") => {
                format!("--env={}", hide(&text["--env=".len()..]))
            }
            text if behind && text.starts_with("-e") => format!("-e{}", hide(&text["-e".len()..])),
            text => text.to_owned(),
        };
        is_value = behind && !is_value && matches!(word.as_str(), "-e" | "--env");
        behind |= word == "--";
        shown
    });
    kept.collect()
}

/// What is to be said of the option `name`, which stands among `words` in front of the `--`, if it is one of k6's.
pub fn belongs_after(words: &[String], name: &str) -> Option<String> {
    let (ours, behind) = match words.iter().position(|word| word == "--") {
        Some(at) => (&words[..at], &words[at + 1..]),
        None => (words, &[][..]),
    };
    let at = ours.iter().position(|word| word.starts_with(name))?;
    let (known, _, value) = option_of(&ours[at]).ok()?;
    let known = known?;
    let apart = value.is_none() && known.takes_value && at + 1 < ours.len();
    let end = at + 1 + usize::from(apart);
    let option = &ours[at..end];
    if let Err(error) = Options::of_args(option) {
        return Some(error.to_string());
    }
    let line = [
        &ours[..at],
        &ours[end..],
        &["--".to_owned()],
        behind,
        option,
    ]
    .concat();
    let line = without_values(line.into_iter());
    let quoted = |word| shlex::try_quote(word).unwrap_or_default();
    let line = line.iter().map(|word| match word.split_once('=') {
        Some((name, value)) => format!("{name}={}", quoted(value)),
        None => quoted(word).into_owned(),
    });
    let line: Vec<String> = line.collect();
    let then = match known.class {
        Class::Load => "\n  it changes the load, so that the run is compared with no other",
        _ => "",
    };
    Some(format!(
        "{name} is an option of k6: put it after `--`\n  cargo xtask {}{then}",
        line.join(" ")
    ))
}

/// The option that a word begins, the word as it is written without its value, and the value if it holds one.
fn option_of(word: &str) -> Result<(Option<&'static Known>, String, Option<String>), UsageError> {
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        return Ok((table::known(&plain(name)), format!("--{name}"), value));
    }
    let Some(letter) = word.strip_prefix('-').and_then(|rest| rest.chars().next()) else {
        return Err(UsageError(format!(
            "`{word}` after `--` is not an option of `k6 run`: load-tests/main.js is what runs"
        )));
    };
    let known = table::OPTIONS
        .iter()
        .find(|known| known.short == Some(letter));
    let rest = &word[1 + letter.len_utf8()..];
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    if !rest.is_empty() && known.is_some_and(|known| !known.takes_value) {
        return Err(UsageError(format!(
            "`{word}` after `--` joins several options: give each by itself"
        )));
    }
    let value = (!rest.is_empty()).then(|| rest.to_owned());
    Ok((known, format!("-{letter}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_of_the_scripts_is_known_as_ours() {
        let scripts = [
            include_str!("../../../../../load-tests/main.js"),
            include_str!("../../../../../load-tests/probe.js"),
        ]
        .concat();
        let named = |before: &str| -> Vec<String> {
            let rest = scripts.split(before).skip(1);
            let name = |rest: &str| {
                let is_part = |c: &char| c.is_ascii_uppercase() || *c == '_';
                rest.chars().take_while(is_part).collect()
            };
            rest.map(name)
                .filter(|name: &String| !name.is_empty())
                .collect()
        };
        let mut read = named("__ENV.");
        for by_function in ["readCount('", "readScale('"] {
            let names = named(by_function);
            assert!(!names.is_empty(), "nothing is read by {by_function}");
            read.extend(names);
        }
        let ours = |name: &str| OUR_VARIABLES.iter().any(|(ours, _)| *ours == name);
        let unknown: Vec<&String> = read.iter().filter(|name| !ours(name)).collect();
        assert!(unknown.is_empty(), "not known as ours: {unknown:?}");
        for (name, _) in OUR_VARIABLES {
            assert!(read.iter().any(|it| it == name), "no script reads {name}");
        }
    }

    fn of(words: &str) -> Result<Options, UsageError> {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        Options::of_args(&words)
    }

    #[test]
    fn an_option_of_k6_is_told_where_it_belongs() {
        let said = |line: &str, name: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            belongs_after(&words, name)
        };
        for (line, name, put) in [
            (
                "load-test --vus 5 missions",
                "--vus",
                "load-test missions -- --vus 5\n",
            ),
            (
                "load-test --vus=5 -- -q",
                "--vus",
                "load-test -- -q --vus=5\n",
            ),
            ("load-test missions -u", "-u", "load-test missions -- -u\n"),
            (
                "load-test -e TOKEN=s3cret",
                "-e",
                "load-test -- -e TOKEN='***'",
            ),
        ] {
            let said = said(line, name).unwrap();
            assert!(said.contains(put), "{line}: {said}");
        }
        let paused = said("load-test --paused", "--paused").unwrap();
        assert!(paused.contains("nobody could resume it"), "{paused}");
        assert_eq!(said("load-test --vuss 5", "--vuss"), None);
    }

    #[test]
    fn harmless_arguments_leave_the_plan_alone() {
        let options =
            of("--quiet --http-debug=full -o csv=x.csv --insecure-skip-tls-verify").unwrap();
        assert!(options.as_planned && options.insecure && options.kept.is_empty());
        assert!(options.notices[0].ends_with("--insecure-skip-tls-verify`"));
        let args = [
            "--quiet",
            "--http-debug=full",
            "-o",
            "csv=x.csv",
            "--insecure-skip-tls-verify",
        ];
        assert_eq!(options.args, args);
    }

    #[test]
    fn arguments_that_change_the_load_are_passed_on_and_kept() {
        for words in [
            "--vus 5",
            "--vus=5",
            "-u 5",
            "-u5",
            "--no-setup",
            "--brand-new 3",
        ] {
            let options = of(words).unwrap();
            assert!(!options.as_planned, "{words}");
            assert_eq!(options.args.join(" "), words);
            assert_eq!(options.kept, options.args);
        }
    }

    #[test]
    fn what_is_ours_or_cannot_be_had_is_refused_with_what_to_use_instead() {
        for (words, part) in [
            ("--paused", "nobody could resume it"),
            ("-p", "nobody could resume it"),
            ("--linger", "nobody could resume it"),
            ("--address localhost:6565", "nobody could resume it"),
            ("--no-thresholds=true", "proves nothing"),
            ("--summary-mode disabled", "verdict"),
            ("--log-output none", "k6.log"),
            ("--config my.json", "after `--`"),
            ("-e BASE_URL=http://127.0.0.1:1", "--base-url"),
            ("-eTEST=specs", "after the profile"),
            ("--env=API_KEY=not-to-be-shown", "variable API_KEY"),
            ("--env K6_VUS=7", "another name"),
            ("other.js", "main.js is what runs"),
            ("-qv", "by itself"),
        ] {
            let error = of(words).unwrap_err().to_string();
            assert!(error.contains(part), "{words}: {error}");
            assert!(!error.contains("not-to-be-shown"), "{error}");
        }
    }

    #[test]
    fn values_of_variables_are_not_kept() {
        let options = of("-e TOKEN=s3cret-0123 --env=SITE=a=b -q").unwrap();
        assert_eq!(options.kept.join(" "), "-e TOKEN=*** --env SITE=***");
        assert_eq!(options.args, ["-q"]);
        let env = [("TOKEN", "s3cret-0123"), ("SITE", "a=b")];
        assert_eq!(
            options.env,
            env.map(|(name, value)| (name.into(), value.into()))
        );
        assert!(options.as_planned);
        assert!(!options.notices.concat().contains("s3cret"));
    }

    #[test]
    fn a_command_line_is_kept_without_values() {
        let line = "load-test -e a=b -- -q -e A=1 --env B=2 --env=C=3 -eD=4 -e E --vus 5 --tag x=y";
        let kept = without_values(line.split(' ').map(str::to_owned));
        assert_eq!(
            kept.join(" "),
            "load-test -e a=b -- -q -e A=*** --env B=*** --env=C=*** -eD=*** -e E --vus 5 --tag x=y"
        );
    }

    #[test]
    fn tags_are_taken_apart_from_the_others() {
        let options = of("--tag a=b --tag=c=d").unwrap();
        assert_eq!(options.tags, ["a=b", "c=d"]);
        assert!(options.args.is_empty() && options.kept.is_empty() && options.as_planned);
    }
}
