//! Whole programs drawn at random: both engines give, bit for bit the same, what the oracle says.

use nmc_compiler::files::NoFiles;
use nmc_tests::dice::Dice;
use nmc_tests::oracle::{self, Tally, frames, spiking};

/// The programs of these seeds, compared; every one that is wrong is told.
fn agree(seeds: std::ops::Range<u64>, one: impl Fn(u64) -> Tally + std::panic::RefUnwindSafe) -> Tally {
    let (mut tally, mut wrong) = (Tally::default(), Vec::new());
    for seed in seeds {
        match std::panic::catch_unwind(|| one(seed)) {
            Ok(found) => {
                tally.add(found);
            }
            Err(_) => wrong.push(seed),
        }
    }
    assert!(wrong.is_empty(), "seeds {wrong:?} are wrong");
    tally
}

fn with_time(seed: u64) -> Tally {
    let text = format!("// seed {seed}{}", spiking::program(&mut Dice::new(seed)));
    let mut tally = Tally::default();
    for case in oracle::cases(&text, &NoFiles, seed) {
        let found = oracle::compare(&case);
        tally.add(found);
    }
    tally
}

fn on_a_chip(seed: u64) -> Tally {
    let text = format!("// seed {seed}{}", frames::program(&mut Dice::new(seed), true));
    let mut tally = Tally::default();
    oracle::cases(&text, &NoFiles, seed).iter().for_each(|case| tally.add(oracle::on_arrays(case)));
    tally
}

/// The same where columns give voltages; nothing of programs that have no such arrays.
fn in_volts(seed: u64) -> Tally {
    let mut dice = Dice::new(seed);
    let text = format!("// seed {seed}{}", frames::program(&mut dice, true));
    let mut tally = Tally::default();
    if let Some(text) = frames::in_volts(&text, &mut dice) {
        oracle::cases(&text, &NoFiles, seed).iter().for_each(|case| tally.add(oracle::on_arrays(case)));
    }
    tally
}

/// What programming leaves has the mean and the variance that it should, five sigma.
fn are_normal((count, sum, squares): (f64, f64, f64)) {
    assert!((sum / count).abs() < 5.0 / count.sqrt(), "{count}: {sum}");
    assert!((squares / count - 1.0).abs() < 5.0 * (2.0 / count).sqrt(), "{count}: {squares}");
}

#[test]
fn chips_give_and_take_what_the_oracle_counts() {
    let mut tally = agree(0..40, on_a_chip);
    // Of this one the cheapest design finds no place, and is cut.
    tally.add(agree(1316..1317, on_a_chip));
    assert!(tally.values > 500 && tally.conversions > 1000.0, "{tally:?}");
    are_normal(tally.deviations);
}

#[test]
fn columns_that_give_voltages_give_what_the_oracle_says() {
    let tally = agree(0..60, in_volts);
    assert!(tally.values > 150 && tally.conversions > 300.0, "{tally:?}");
}

#[test]
#[ignore = "minutes"]
fn many_columns_that_give_voltages_give_what_the_oracle_says() {
    let first = std::env::var("FIRST").ok().and_then(|first| first.parse().ok()).unwrap_or(1000);
    println!("{:?}", agree(first..first + 1000, in_volts));
}

#[test]
#[ignore = "minutes"]
fn many_chips_give_and_take_what_the_oracle_counts() {
    let first = std::env::var("FIRST").ok().and_then(|first| first.parse().ok()).unwrap_or(1000);
    let tally = agree(first..first + 1000, on_a_chip);
    println!("{tally:?}");
    are_normal(tally.deviations);
}

#[test]
fn programs_with_time_give_what_the_oracle_says() {
    let tally = agree(0..40, with_time);
    assert!(tally.spikes > 2000 && tally.values > 20_000, "{tally:?}");
}

#[test]
#[ignore = "minutes"]
fn many_programs_with_time_give_what_the_oracle_says() {
    let first = std::env::var("FIRST").ok().and_then(|first| first.parse().ok()).unwrap_or(1000);
    let tally = agree(first..first + 1000, with_time);
    println!("{tally:?}");
    assert!(tally.spikes > 50_000 && tally.broken < 20, "{tally:?}");
}
