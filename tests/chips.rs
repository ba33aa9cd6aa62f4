//! Many chips in little memory: fewer run side by side, and the results are the same.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_runtime::{EngineKind, Results, RunError, RunOptions, chips};

const TEXT: &str = "
use std.neuron.lif

network n() {
    population p: lif[50](bias: normal(0.13 nA, 0.02 nA))
    connect p -> p { pattern: random(p: 30 %), weight: 1 mV, delay: 1.5 ms }
    probe p.v every 1 ms
}

experiment e {
    deploy n
    run for 50 ms { step: 0.1 ms }
}
";

#[test]
fn memory_is_shared_out_among_chips() {
    let image = compile("chips.nmc", TEXT, &NoFiles, &Options::default()).image.unwrap();
    let program = &image.programs[0];
    let options =
        |memory, threads| RunOptions { seed: 1, engine: EngineKind::Interpreter, threads, memory, progress: None };
    // The least memory that one chip can do with.
    let fits = |memory: u64| chips::Each::new(program, &options(memory, 1), 1, false).is_ok();
    let (mut little, mut enough) = (0, 1 << 40);
    while enough - little > 1 {
        let middle = (little + enough) / 2;
        if fits(middle) { enough = middle } else { little = middle }
    }
    assert!(little > 0);
    let run = |memory, threads| -> Result<Vec<_>, RunError> {
        let results = chips::run(program, &options(memory, threads), 5)?;
        Ok(results.into_iter().map(|chip: Results| (chip.metrics, chip.recordings)).collect())
    };
    let plenty = run(1 << 40, 4).unwrap();
    assert_eq!(plenty.len(), 5);
    assert!(plenty.iter().enumerate().all(|(chip, (_, recordings))| recordings.is_empty() == (chip > 0)));
    for threads in [1, 4] {
        assert_eq!(run(enough, threads).unwrap(), plenty);
        assert_eq!(run(little, threads).map_err(|error| error.code), Err("E0707"));
    }
}
