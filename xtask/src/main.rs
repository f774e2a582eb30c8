//! `cargo xtask`: the orchestrator of Tachikoma's load tests.

mod http;
mod interrupt;
mod k6;
mod process;

fn main() -> std::process::ExitCode {
    use clap::{CommandFactory as _, FromArgMatches as _};

    if std::env::args().nth(1).as_deref() == Some(process::GUARDIAN) {
        process::guard();
        return std::process::ExitCode::SUCCESS;
    }
    #[derive(clap::Parser)]
    struct Cli {
        #[command(subcommand)]
        command: Top,
    }
    #[derive(clap::Subcommand)]
    enum Top {
        K6 {
            #[command(subcommand)]
            action: k6::Action,
            #[arg(long = "k6", env = "K6_BIN")]
            named: Option<std::path::PathBuf>,
            #[arg(long)]
            no_install: bool,
        },
    }
    let cli = Cli::from_arg_matches(&Cli::command().get_matches()).expect("parsed");
    let Top::K6 {
        action,
        named,
        no_install,
    } = cli.command;
    interrupt::listen().expect("signals");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        Into::into,
    );
    let wanted = k6::Wanted {
        named: named.as_deref(),
        may_install: !no_install,
        target_dir: &target,
    };
    let mut tell = |told: k6::Told<'_>| match told {
        k6::Told::Info(text) => eprintln!("{text}"),
        k6::Told::Notice(text) => eprintln!("notice: {text}"),
        k6::Told::Status(text) => {
            if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
                eprint!("\r\x1b[2K{text}");
            }
        }
    };
    match k6::command(&action, &wanted, &mut tell) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            match error.downcast_ref::<interrupt::Interrupted>() {
                Some(interrupted) => interrupted.exit_code().into(),
                None => 3.into(),
            }
        }
    }
}
