//! The `nmc` command: arguments, terminal, pages and exit codes around `nmc_host`.

mod build;
mod check;
mod explain;
mod export;
mod fmt;
mod import;
mod list;
mod new;
mod plot;
mod render;
mod report;
mod run;
mod settings;
mod sweep;
mod terminal;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use nmc_grammar::codes::Code;

/// Forms are many small pieces: a fifth of the time of compiling went to the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EXAMPLES: &str = "\
Begin with:
  nmc new first          a folder with a program that runs as it is
  nmc run first/first.nmc
  nmc report first/first.nmc

Exit codes: 0 clean, 1 the program has errors or an expectation failed, 2 usage or files, 3 a bug of nmc.
nmc COMMAND --help says more of each command.";

/// A compiler for mixed-signal neuromorphic hardware: checks a .nmc program, maps it onto a chip, simulates the mapped chip.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a folder with a program that runs as it is
    New(new::New),
    /// Looks for mistakes; quiet when there are none
    Check {
        /// Programs
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Compiles a program to a mapped hardware image (.nmx), or prints a form on the way
    Build(build::Build),
    /// Says what was mapped where and why: tiles, wires, converters, schedule, energy, area
    Report(report::Report),
    /// Runs the experiments of a program on the simulated chip
    Run(run::Run),
    /// Runs a program for every combination of values of its constants: a table, and what `nmc plot` draws
    Sweep(sweep::Sweep),
    /// Makes a program, and its weights, of a model of another tool
    Import(import::Import),
    /// Writes a network as a graph that other tools read
    Export(export::Export),
    /// Draws what a run left in its folder: metrics over time and chips, spikes, traces, weights
    Plot(plot::Plot),
    /// Lays programs out
    Fmt {
        /// Programs
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Only tells which are not laid out so
        #[arg(long)]
        check: bool,
    },
    /// Explains a diagnostic code, such as E0302 or dimension-mismatch, or a thing of the standard library, such as std.neuron.adex
    Explain {
        /// The code or its name; or what `list` takes
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
    /// Our own mistake.
    Bug = 3,
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let (number, name) = (Code::E0999.number(), Code::E0999.name());
        eprintln!("error[{number} {name}]: {panic}");
        eprintln!("  help: this is a mistake of nmc, not yours: please report it with the program");
    }));
    let done = std::panic::catch_unwind(|| dispatch(Cli::parse().command));
    ExitCode::from(done.unwrap_or(Exit::Bug) as u8)
}

fn dispatch(command: Command) -> Exit {
    match command {
        Command::New(new) => new::new(&new),
        Command::Check { files } => files.iter().map(|file| check::check(file)).max().unwrap_or(Exit::Clean),
        Command::Build(build) => build::build(&build),
        Command::Report(report) => report::report(&report),
        Command::Run(run) => run::run(&run),
        Command::Sweep(sweep) => sweep::sweep(&sweep),
        Command::Import(import) => import::import(&import),
        Command::Export(export) => export::export(&export),
        Command::Plot(plot) => plot::plot(&plot),
        Command::Fmt { files, check } => files.iter().map(|file| fmt::fmt(file, check)).max().unwrap_or(Exit::Clean),
        Command::Explain { code } => explain::explain(&code),
        Command::List { kind } => list::list(kind.as_deref()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "nmc", &mut script);
            terminal::print(&String::from_utf8_lossy(&script))
        }
    }
}
