//! The stages as they are listed, and what they make on any number of threads.

use std::sync::{Arc, Mutex};

use nmc_compiler::files::{DataFile, FileProblem, Files, NoFiles};
use nmc_compiler::stages::{STAGES, forms};
use nmc_compiler::{Options, Told, compile};

/// Writes down which stages are entered.
#[derive(Default)]
struct Watch(Mutex<Vec<&'static str>>);

impl Files for Watch {
    fn module(&self, _path: &[String]) -> Option<Result<String, String>> {
        None
    }

    fn data(&self, path: &str) -> Result<Arc<DataFile>, FileProblem> {
        NoFiles.data(path)
    }

    fn entering(&self, _experiment: &str, stage: &'static str) {
        self.0.lock().unwrap().push(stage);
    }
}

/// So many experiments of networks of three layers, each on its own chip.
fn program(experiments: usize) -> String {
    let of = |n: usize| {
        format!(
            "network net{n}(x: real[4]) -> (y: real[2]) {{
    w = [[0.1, 0.2, -0.3, 0.{n}1], [0.5, -0.6, 0.7, 0.8]]
    x |> dense(w) |> relu |> dense([[0.3, -0.2], [0.1, 0.4]]) |> relu |> dense([[0.3, -0.2], [0.1, 0.4]]) -> y
}}
experiment e{n} {{
    deploy net{n} on stack(columns: {}, rows: 2) {{ calibrate: [[0.1, 0.2, 0.3, 0.4], [0.5, 0.1, 0.2, 0.9]] }}
    test {{ x: [[0.1, 0.2, 0.3, 0.4], [1, 0, 0, 1]] }} measure m = mean(y)
}}
",
            1 + n % 3
        )
    };
    format!("use std.chip.stack\n{}", (0..experiments).map(of).collect::<String>())
}

/// After the whole is read and checked, an experiment enters every stage in the order of the list, some of them again.
#[test]
fn stages_are_entered_in_the_order_of_the_list() {
    let watch = Watch::default();
    let compilation = compile("pipeline.nmc", &program(1), &watch, &Options::default());
    assert!(compilation.image.is_some(), "{:?}", compilation.diagnostics);
    let mut first: Vec<&str> = Vec::new();
    for stage in watch.0.into_inner().unwrap() {
        if !first.contains(&stage) {
            first.push(stage);
        }
    }
    let listed: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
    assert_eq!(listed[..2], ["resolve", "check"]);
    assert_eq!(first, listed[2..]);
}

/// Items are read, checked and built side by side; what comes of it is the same as one after the other.
#[test]
fn any_number_of_threads_makes_the_same() {
    let faulty = program(100).replace("relu |> dense([[0.3, -0.2]", "relo |> dense([[0.3, -0.2]");
    for text in [program(100), faulty] {
        let made = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let options = Options { told: Told::Comparisons, ..Options::default() };
            let all = pool.install(|| compile("pipeline.nmc", &text, &NoFiles, &options));
            let printed: Vec<String> = forms().map(|form| (form.print)(&all)).collect();
            (format!("{:?}", all.diagnostics), printed, all.image)
        };
        let alone = made(1);
        assert_eq!(alone.2.is_none(), text.contains("relo"));
        for threads in [2, 5] {
            let other = made(threads);
            assert_eq!(alone.0, other.0);
            assert_eq!(alone.1, other.1);
            assert!(alone.2 == other.2, "the images differ");
        }
    }
}
