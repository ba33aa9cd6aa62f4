//! The `nmc` command: the only place with files, a terminal and exit codes.

mod check;
mod data;
mod disk;
mod explain;
mod fmt;
mod list;
mod render;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// A compiler for mixed-signal neuromorphic hardware.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Looks for mistakes; quiet when there are none
    Check {
        /// Programs
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Runs the experiments of a program
    Run(run::Run),
    /// Lays programs out
    Fmt {
        /// Programs
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Only tells which are not laid out so
        #[arg(long)]
        check: bool,
    },
    /// Explains a diagnostic code, such as E0302 or dimension-mismatch
    Explain {
        /// The code or its name
        code: String,
    },
    /// Lists what the standard library has
    List {
        /// Only this kind: neurons, synapses, devices, …
        kind: Option<String>,
    },
    /// Prints completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    Clean = 0,
    /// The program has errors, or an expectation failed.
    Diagnostics = 1,
    /// Usage, files.
    Usage = 2,
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("nmc: this is a bug of nmc, not of your program: please report it\n{panic}");
    }));
    let done = std::panic::catch_unwind(|| dispatch(Cli::parse().command));
    done.map_or(ExitCode::from(3), |exit| ExitCode::from(exit as u8))
}

fn dispatch(command: Command) -> Exit {
    match command {
        Command::Check { files } => files.iter().map(|file| check::check(file)).max().unwrap_or(Exit::Clean),
        Command::Run(run) => run::run(&run),
        Command::Fmt { files, check } => files.iter().map(|file| fmt::fmt(file, check)).max().unwrap_or(Exit::Clean),
        Command::Explain { code } => explain::explain(&code),
        Command::List { kind } => list::list(kind.as_deref()),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "nmc", &mut std::io::stdout());
            Exit::Clean
        }
    }
}
