//! The search against all there is: every assignment in every placement, on small chips.

use super::choices::Choices;
use super::problem::Demand;
use super::search::{Design, Failed, Site, Sketch, search};
use super::{calibrate, choices, worth};
use crate::Options;
use crate::cost;
use crate::files::NoFiles;
use crate::forms::mapped::Given;
use crate::forms::placement::Placement;
use crate::forms::plan::Objective;
use crate::map::{place, tile};

/// Numbers from a counter (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn matrix(&mut self, rows: usize, cols: usize) -> String {
        let mut row = || {
            let numbers: Vec<String> = (0..cols).map(|_| (self.below(21) as f64 / 10.0 - 1.0).to_string()).collect();
            format!("[{}]", numbers.join(", "))
        };
        let rows: Vec<String> = (0..rows).map(|_| row()).collect();
        format!("[{}]", rows.join(", "))
    }
}

/// A network of a few operators on a chip of a few cores, with something to choose at every turn.
fn program(dice: &mut Dice) -> String {
    let (width, height) = dice.one(&[(1, 1), (2, 1), (3, 1), (2, 2)]);
    let arrays = match width * height {
        1 => 4,
        2 => 1 + dice.below(3),
        _ => 1 + dice.below(2),
    };
    let rows = dice.one(&[3, 4, 8]);
    let [inputs, hidden, outputs] = [2 + dice.below(4), 2 + dice.below(3), 1 + dice.below(3)];
    let sense = dice.one(&[
        "sar(bits: 8) or current",
        "sar(bits: 4) or current",
        "sar(bits: 8)",
        "sar(bits: 6) or ideal or current",
        "sar(bits: 3..6) or current",
    ]);
    let input = dice.one(&["dac(bits: 8) or voltage", "dac(bits: 4) or voltage", "dac(bits: 8)"]);
    let lines = dice.one(&["", "lines: voltage, current; ", "lines: voltage, current; "]);
    let link =
        |domain: &str, energy: usize| format!("links: neighbours(carries: {domain}, energy: {energy} fJ, time: 2 ns)");
    let links = match dice.below(4) {
        0 => link("voltage", 10 + dice.below(5000)),
        1 => link("current", 10 + dice.below(5000)),
        _ => String::new(),
    };
    let (sar, dac, tia) = (1 + dice.below(400), 1 + dice.below(100), 1 + dice.below(200));
    let (mesh, host) = (1 + dice.below(300), dice.below(50));
    let buffered = dice.one(&["", "", "", "", "; buffer_energy: 20 fJ per bit"]);
    let rectifiers = dice.one(&[1, 8, 8]);
    let objective = dice.one(&["energy", "energy", "energy", "energy", "time", "area"]);
    let pin = dice.one(&["", "", "", "", "pin hidden: bits;"]);
    let relu = dice.one(&[" |> relu", " |> relu", ""]);
    let (first, second) = (dice.matrix(hidden, inputs), dice.matrix(outputs, hidden));
    let (ports, body) = match dice.below(4) {
        0 => {
            let third = dice.matrix(2, hidden);
            let ports = format!("y: real[{outputs}], z: real[2]");
            (ports, format!("a = hidden{relu}; a |> dense({second}) -> y; a |> dense({third}) -> z"))
        }
        1 => {
            let ports = format!("y: real[{outputs}], z: real[{hidden}]");
            (ports, format!("a = hidden{relu}; a |> dense({second}) -> y; a -> z"))
        }
        _ => (format!("y: real[{outputs}]"), format!("hidden{relu} |> dense({second}) -> y")),
    };
    format!(
        "
device cell {{ conductance: 1 uS .. 100 uS }}
converter sar(bits: int = 8): current -> bits(bits) {{ energy: {sar} fJ * bits; area: 100 um2; time: 1 ns }}
converter dac(bits: int = 8): bits(bits) -> voltage {{ energy: {dac} fJ * bits; area: 40 um2; time: 1 ns }}
converter tia: current -> voltage {{ energy: {tia} fJ; area: 50 um2; time: 5 ns }}
converter keeper: voltage -> voltage {{ energy: 1 fJ; area: 1 um2; time: 1 ns }}
unit rectifier: voltage -> voltage {{ implements: relu; energy: 20 fJ; area: 30 um2; time: 5 ns }}
unit adder: current -> current {{ implements: sum; energy: 1 fJ; area: 5 um2; time: 1 ns }}
unit logic: bits(16) -> bits(16) {{ implements: any; energy: 50 fJ; area: 50 um2; time: 1 ns }}
tile array {{
    cells: cell[{rows}, 8]; weights: differential; input: {input}; sense: {sense}; sharing: 4
    read_voltage: 0.2 V; read_time: 10 ns; wire: ideal; area: 100 um2
}}
core crossbars {{ tiles: array[{arrays}]; {lines}units: [rectifier[{rectifiers}], adder[8], logic[2]]; buffer: 64 kB{buffered} }}
chip made {{
    cores: grid({width}, {height}) of crossbars; converters: [tia(), keeper()]
    network: mesh(flit: 32 bit, hop: 1 ns, energy: {mesh} fJ per bit)
    host: spi(energy: {host} fJ per bit)
    {links}
}}
network net(x: real[{inputs}]) -> ({ports}) {{ hidden = x |> dense({first}); {body} }}
experiment e {{ deploy net on made {{ minimise: {objective}; {pin} }}; test {{ x: {samples} }} measure m = mean(y) }}
",
        samples = dice.matrix(3, inputs)
    )
}

/// The least that any assignment takes in any placement, and how many of both there are; none: nothing fits.
fn exhaust(choices: &Choices, demand: &Demand) -> (Option<f64>, usize) {
    let posed = choices.posed(demand);
    let problem = &posed.problem;
    let mut found: Vec<(f64, Sketch)> = Vec::new();
    let mut choice = Vec::new();
    // Depth first; a pair that is forbidden ends a branch.
    fn go(problem: &super::pbqp::Problem, choice: &mut Vec<usize>, each: &mut dyn FnMut(&[usize])) {
        let node = choice.len();
        if node == problem.costs.len() {
            return each(choice);
        }
        for alternative in 0..problem.costs[node].len() {
            let mut edges = problem.edges.iter().filter(|((_, v), _)| *v == node);
            let possible = edges.all(|((u, _), matrix)| matrix[choice[*u]][alternative].is_finite());
            if possible && problem.costs[node][alternative].is_finite() {
                choice.push(alternative);
                go(problem, choice, each);
                choice.pop();
            }
        }
    }
    go(problem, &mut choice, &mut |choice| {
        let value = problem.value(choice);
        let solution = super::pbqp::Solution { choice: choice.to_vec(), value, lower_bound: value, optimal: true };
        let Some(assignment) = choices.assignment(solution, demand) else { return };
        let sketch = Sketch::of(choices, demand, assignment);
        if !found.iter().any(|(_, known)| known.circuit == sketch.circuit && known.decisions == sketch.decisions) {
            // Before anything is moved.
            let still = worth::least(choices, demand, &sketch, 0.0);
            let still = if choices.minimises(Objective::Energy) { still } else { 0.0 };
            found.push((still, sketch));
        }
    });
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut best, mut tried) = (None, 0);
    for (still, sketch) in found {
        if best.is_some_and(|best| still >= best) {
            continue;
        }
        let islands = place::islands(choices.chip(), choices.tiling, &sketch.circuit);
        let cores = choices.chip().cores.len();
        for number in 0..cores.pow(islands.len() as u32) {
            let mut placement = Placement { cores: vec![0; sketch.circuit.parts.len()], ..Placement::default() };
            for (index, island) in islands.iter().enumerate() {
                let core = number / cores.pow(index as u32) % cores;
                island.iter().for_each(|part| placement.cores[part.0] = core);
            }
            placement.tiles = place::tiles(choices.given, choices.tiling, &sketch.circuit, &placement.cores);
            let weights = sketch.circuit.nets.iter().map(|net| {
                cost::weight(choices.chip(), net) * cost::links(choices.chip(), &placement.cores, net).len() as f64
            });
            placement.cost = weights.sum();
            tried += 1;
            if place::verify(choices.given, choices.tiling, &sketch.circuit, &placement).is_empty() {
                let value = worth::lying(choices, demand, &sketch, &placement);
                best = Some(best.map_or(value, |best: f64| best.min(value)));
            }
        }
    }
    (best, tried)
}

/// What is found against the least there is, of a small program: whether it was proved; none: it does not fit; else what is wrong.
fn compare(seed: u64) -> Result<Option<bool>, String> {
    let text = program(&mut Dice(seed << 32));
    let (mut diagnostics, options) = (Vec::new(), Options::default());
    let model = crate::resolve::resolve("small.nmc", &text, &NoFiles, &mut diagnostics);
    let experiment = crate::settings::chosen(&model, &options, &mut diagnostics)[0];
    let elaborated = crate::elaborate::elaborate(&model, experiment, &NoFiles, &options, &mut diagnostics);
    let elaborated = elaborated.unwrap_or_else(|| panic!("{seed}: {diagnostics:#?}\n{text}"));
    let crate::elaborate::Elaborated { network, chip, plan, tensors } = elaborated;
    let given = Given { network: &network, chip: &chip, plan: &plan, tensors: &tensors };
    let Some(tiling) = tile::tile(given, &mut diagnostics) else { return Ok(None) };
    let measured = crate::forms::measured::Measured::default();
    let found = calibrate::calibrate(given, &tiling, &measured);
    let choices = choices(given, &tiling, &found);
    let site = Site {
        least: &|circuit| place::least(given, &tiling, circuit),
        place: Some(&|circuit| place::place(given, &tiling, circuit, &place::Known::default())),
    };
    let demand = Demand::plain();
    let (least, tried) = exhaust(&choices, &demand);
    let close = 1e-9 * least.unwrap_or(0.0);
    // Neither the least time nor the fewest buffers are what places are found for.
    let exact = plan.objective != Objective::Time && chip.core_kinds[0].buffer_energy == 0.0;
    let fault = |value: f64, bound: f64, least: f64| {
        let told = format!("{value:e}, bound {bound:e}, the least of {tried} is {least:e}: {seed}\n{text}");
        let worse = value > least + close && exact;
        (worse || value < least - close || bound > least + close).then_some(told)
    };
    match (search(&choices, &demand, None, &site), least) {
        (Ok(Design { value, bound, .. }), Some(least)) => {
            fault(value, bound, least).map_or(Ok(Some(!exact || value - bound <= close)), Err)
        }
        (Err(Failed::NoWay | Failed::Unreachable(_) | Failed::Misfit(_)), None) => Ok(None),
        (Ok(_), None) => Err(format!("found where nothing fits: {seed}\n{text}")),
        (Err(_), Some(least)) => Err(format!("nothing found where {least:e} is possible: {seed}\n{text}")),
    }
}

/// How many small programs fit, and for how many of these the best is proved.
fn compare_all(seeds: std::ops::Range<u64>) -> (usize, usize) {
    let all: Vec<Result<Option<bool>, String>> = seeds.map(compare).collect();
    let faults: Vec<&String> = all.iter().filter_map(|found| found.as_ref().err()).collect();
    assert!(faults.is_empty(), "{} of {} are wrong: {}", faults.len(), all.len(), faults[0]);
    let placed: Vec<bool> = all.into_iter().filter_map(|found| found.ok().flatten()).collect();
    (placed.len(), placed.iter().filter(|proved| **proved).count())
}

#[test]
fn small_networks_on_small_chips_are_mapped_best() {
    let (placed, proved) = compare_all(0..60);
    println!("{placed} placed, {proved} proved");
    assert!(placed > 40 && proved * 10 > placed * 9, "{proved} of {placed} proved the best");
}

#[test]
#[ignore = "minutes"]
fn many_small_networks_on_small_chips_are_mapped_best() {
    let (placed, proved) = compare_all(60..600);
    println!("{placed} placed, {proved} proved");
    assert!(proved * 10 > placed * 9, "{proved} of {placed} proved the best");
}
