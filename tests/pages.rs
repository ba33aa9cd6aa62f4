//! `docs/errors`: every code has its page; what the page calls wrong raises exactly that code, what it calls right raises none.

use std::path::Path;
use std::sync::Arc;

use nmc_compiler::files::{DataFile, FileProblem, Files};
use nmc_compiler::{Compilation, Options, compile};
use nmc_grammar::codes::Code;
use nmc_program::{Image, Tensor, TensorData};
use nmc_runtime::{EngineKind, RunOptions};

/// The arrays that pages may load: file, name, shape, values.
const ARRAYS: &[(&str, &str, &[usize], &[f64])] = &[
    ("weights.npz", "w", &[2, 3], &[0.5, -0.5, 0.25, 0.125, 1.0, -1.0]),
    ("weights.npz", "bias", &[2], &[0.5, -0.5]),
    ("broken.npz", "w", &[2, 3], &[0.5, -0.5, f64::NAN, 0.125, 1.0, -1.0]),
    ("samples.npz", "x", &[4, 3], &[1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0]),
    ("samples.npz", "y", &[4], &[0.0, 1.0, 1.0, 0.0]),
];

/// The modules that pages may use.
const MODULES: &[(&str, &str)] = &[
    ("lab", "const gain = 2\n"),
    ("circle", "use circle_back.b\nconst a = b\n"),
    ("circle_back", "use circle.a\nconst b = a\n"),
];

/// Codes that no example raises, and why.
const WITHOUT_EXAMPLE: &[(Code, &str)] = &[
    (Code::E0905, "needs a folder that cannot be written; the command's own tests have one"),
    (Code::E0999, "is for our own mistakes; a test that raised it would be a test of a mistake"),
];

struct Memory;

impl Files for Memory {
    fn module(&self, path: &[String]) -> Option<Result<String, String>> {
        let path = path.join("/");
        MODULES.iter().find(|(name, _)| *name == path).map(|(_, text)| Ok((*text).to_string()))
    }

    fn data(&self, path: &str) -> Result<Arc<DataFile>, FileProblem> {
        if path == "truncated.npz" {
            return Err(FileProblem::Unreadable(String::from("truncated.npz ends in the middle of `w`")));
        }
        let of = ARRAYS.iter().filter(|(file, ..)| *file == path);
        let tensor = |name: &str, shape: &[usize], values: &[f64]| Tensor {
            name: name.to_string(),
            shape: shape.to_vec(),
            data: TensorData::F64(values.to_vec()),
        };
        let arrays: Vec<(String, Tensor)> =
            of.map(|(_, name, shape, values)| ((*name).to_string(), tensor(name, shape, values))).collect();
        if arrays.is_empty() {
            return Err(FileProblem::NotFound(format!("there is no file {path}")));
        }
        Ok(Arc::new(DataFile::of(arrays)))
    }
}

fn compiled(text: &str, options: Options) -> Compilation {
    compile("page.nmc", text, &Memory, &options)
}

/// Codes that compiling raises.
fn raised(compilation: &Compilation) -> Vec<&'static str> {
    compilation.diagnostics.iter().map(|diagnostic| diagnostic.code.number()).collect()
}

/// Codes that running an image raises.
fn run(image: &Image) -> Vec<&'static str> {
    let options = RunOptions { seed: 1, engine: EngineKind::Jit, threads: 1, memory: 16 << 30, progress: None };
    image
        .programs
        .iter()
        .filter_map(|program| nmc_runtime::run(program, &options).err())
        .map(|error| error.code)
        .collect()
}

/// Codes that an example raises, by the way its page says: while compiling, running or laying out.
fn outcome(code: Code, text: &str) -> Vec<&'static str> {
    if code == Code::E0903 {
        return if nmc_grammar::format(text).is_ok_and(|laid_out| laid_out == text) { vec![] } else { vec!["E0903"] };
    }
    let compilation = compiled(text, Options::default());
    let found = raised(&compilation);
    match &compilation.image {
        Some(image) if found.is_empty() && code.number().starts_with("E07") => run(image),
        Some(_) | None => found,
    }
}

/// The examples of a page: what follows `fails` and `works`.
fn example<'p>(page: &'p str, which: &str) -> &'p str {
    let fence = page.split_once(&format!("```nmc {which}\n"));
    fence.and_then(|(_, rest)| rest.split_once("```")).map_or("", |(text, _)| text)
}

/// The page of a code; empty when there is none.
fn page(code: Code) -> String {
    let path = format!("{}/../docs/errors/{}.md", env!("CARGO_MANIFEST_DIR"), code.number());
    std::fs::read_to_string(&path).unwrap_or_default()
}

#[test]
fn every_code_has_a_page_and_its_examples_do_what_it_says() {
    let mut faults = Vec::new();
    for &code in Code::ALL {
        let (number, page) = (code.number(), page(code));
        if !page.starts_with(&format!("# {number} {}\n\n", code.name())) {
            faults.push(format!("{number}: the page must begin with its code and name"));
        }
        let (fails, works) = (example(&page, "fails"), example(&page, "works"));
        let command = page.contains("```console fails\n");
        if WITHOUT_EXAMPLE.iter().any(|(without, _)| *without == code) || command {
            continue;
        }
        let order = page.find("## Wrong").zip(page.find("## Right"));
        if fails.is_empty() || works.is_empty() || order.is_none_or(|(wrong, right)| wrong > right) {
            faults
                .push(format!("{number}: a page with `## Wrong` and then `## Right` with an example each are needed"));
            continue;
        }
        let (wrong, right) = (outcome(code, fails), outcome(code, works));
        if wrong != [number] {
            faults.push(format!("{number}: the wrong example raises {wrong:?}"));
        }
        if !right.is_empty() {
            faults.push(format!("{number}: the right example raises {right:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_page_has_its_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(Code::ALL.iter().any(|code| code.number() == stem), "{}: no such code", path.display());
    }
}

/// The codes of images and of the command line: raised through what the command calls.
#[test]
fn codes_of_commands_are_raised() {
    let options = |experiment: &str, set: &[(&str, &str)]| Options {
        experiments: (!experiment.is_empty()).then(|| experiment.to_string()).into_iter().collect(),
        set: set.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect(),
        ..Options::default()
    };
    let hello = include_str!("../examples/hello_spikes.nmc");
    assert_eq!(raised(&compiled(hello, options("half_second", &[]))), ["E0904"]);
    assert_eq!(raised(&compiled(hello, options("half_a_second", &[]))), [""; 0]);
    let constant = "use std.neuron.lif\nconst tau = 10 ms\nnetwork net() { population p: lif[1](tau_m: tau) }\n\
                    experiment e { deploy net; run for 1 ms }\n";
    assert_eq!(raised(&compiled(constant, options("", &[("tau_m", "20 ms")]))), ["E0906"]);
    assert_eq!(raised(&compiled(constant, options("", &[("tau", "20 ms")]))), [""; 0]);

    let listed = "use std.neuron.lif\nnetwork net() {\n    population p: lif[3]()\n\
                  connect p -> p { pattern: list(sources: [0, 1], targets: [1, 2]), weight: 1 mV }\n}\n\
                  experiment e { deploy net; run for 1 ms }\n";
    let image = compiled(listed, Options::default());
    let image = image.image.unwrap_or_else(|| panic!("{:#?}", image.diagnostics));
    assert_eq!(run(&image), [""; 0]);
    let mut elsewhere = image.clone();
    for tensor in &mut elsewhere.programs[0].tensors {
        tensor.data = TensorData::F64(vec![7.0; tensor.data.len()]);
    }
    assert_eq!(run(&elsewhere), ["E0704"]);
    let mut damaged = image;
    damaged.programs[0].tensors.clear();
    assert_eq!(run(&damaged), ["E0702"]);
}
