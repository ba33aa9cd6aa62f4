//! Networks and chips drawn at random: with ideal cells and converters the mapped network gives what the network says, in whatever
//! domains its values travel.

use nmc_compiler::files::NoFiles;
use nmc_compiler::map::{convert, place, schedule, tile};
use nmc_compiler::{Options, compile};
use nmc_program::Precision;
use nmc_runtime::{EngineKind, RunOptions};
use nmc_tests::dice::Dice;
use nmc_tests::oracle::frames;
use nmc_tests::values;

/// What is compiled, verified and run: whether any value crossed between two operators without being converted.
fn agree(seed: u64) -> bool {
    let text = frames::program(&mut Dice::new(seed), false);
    let options = Options { precision: Precision::F64, ..Options::default() };
    let compilation = compile("generated.nmc", &text, &NoFiles, &options);
    let image = compilation.image.unwrap_or_else(|| panic!("{seed}: {:#?}\n{text}", compilation.diagnostics));
    let mapped = &compilation.mapped[1];
    let given = mapped.given(&[]);
    let mut faults = tile::verify(given, &mapped.tiling);
    faults.extend(convert::verify(given, &mapped.tiling, &mapped.decisions, &mapped.circuit));
    faults.extend(place::verify(given, &mapped.tiling, &mapped.circuit, &mapped.placement));
    faults.extend(schedule::verify(mapped));
    assert_eq!(faults, Vec::<String>::new(), "{seed}\n{text}");
    let options = RunOptions { seed: 1, engine: EngineKind::Jit, threads: 1, memory: 16 << 30, progress: None };
    let results = [0, 1].map(|of| nmc_runtime::run(&image.programs[of], &options).unwrap());
    let [exact, on_chip] = [0, 1].map(|of| values(&results[of], "y"));
    assert!(!exact.is_empty() && exact.len() == on_chip.len());
    for (a, b) in exact.iter().zip(on_chip) {
        assert!((a - b).abs() <= 1e-9 * a.abs().max(1.0), "{seed}: {a} {b}\n{text}");
    }
    mapped.circuit.nets.iter().any(|net| net.is_analog())
}

#[test]
fn ideal_chips_give_what_networks_say() {
    let analog = (0..40).filter(|&seed| agree(seed)).count();
    assert!((3..35).contains(&analog), "{analog} of 40 are analog somewhere");
}

#[test]
#[ignore = "minutes"]
fn many_ideal_chips_give_what_networks_say() {
    assert!((0..500).filter(|&seed| agree(seed)).count() > 60);
}
