//! Chips of the standard library against the figures their papers print (oracle: published).

use std::collections::BTreeMap;
use std::sync::Arc;

use nmc_compiler::files::{DataFile, FileProblem, Files};
use nmc_compiler::{Options, compile};
use nmc_program::{ComponentKind, Program, Tensor, TensorData};
use nmc_runtime::{EngineKind, RunOptions};

/// `layer.npz`: weights between -1 and 1, inputs between 0 and 1, evenly spread.
struct Layer {
    inputs: usize,
    outputs: usize,
}

impl Files for Layer {
    fn module(&self, _path: &[String]) -> Option<Result<String, String>> {
        None
    }

    fn data(&self, path: &str) -> Result<Arc<DataFile>, FileProblem> {
        if path != "layer.npz" {
            return Err(FileProblem::NotFound(format!("there is no file {path}")));
        }
        let spread = |name: &str, shape: [usize; 2], from: f64, to: f64| {
            // Steps of the golden ratio fill an interval evenly.
            let share = |index: usize| (index as f64 * 0.618_033_988_749_895).fract();
            let values = (0..shape[0] * shape[1]).map(|index| from + (to - from) * share(index)).collect();
            (name.to_string(), Tensor { name: name.to_string(), shape: shape.to_vec(), data: TensorData::F64(values) })
        };
        let weights = spread("w", [self.outputs, self.inputs], -1.0, 1.0);
        Ok(Arc::new(DataFile::of(vec![weights, spread("x", [2, self.inputs], 0.0, 1.0)])))
    }
}

/// Joules of a sample by kind, from a run of two samples, and what was compiled.
fn run(layer: &Layer, chip: &str) -> (BTreeMap<String, f64>, Program) {
    let Layer { inputs, outputs } = layer;
    let kind = chip.split('(').next().unwrap_or(chip);
    let text = format!(
        "use std.chip.{kind}\n\
         network fills(x: real[{inputs}]) -> (y: real[{outputs}]) {{ d = load(\"layer.npz\"); x |> dense(d[\"w\"]) -> y }}\n\
         experiment e {{ deploy fills on {chip} {{ convert: everywhere; calibrate: d.x }}\n\
         data d = load(\"layer.npz\"); test {{ x: d.x }} measure m = mean(y) }}\n"
    );
    let compilation = compile("published.nmc", &text, layer, &Options::default());
    let mut image = compilation.image.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics));
    let program = image.programs.remove(0);
    let options = RunOptions { seed: 1, engine: EngineKind::Jit, threads: 1, memory: 16 << 30, progress: None };
    let results = nmc_runtime::run(&program, &options).unwrap();
    let of_a_sample = |kind: ComponentKind| kind != ComponentKind::Programming && kind != ComponentKind::Static;
    let each = results.energy_j.iter().filter(|(kind, _)| of_a_sample(*kind));
    let energy = each.map(|(kind, joules)| (format!("{kind:?}"), joules / program.samples() as f64)).collect();
    (energy, program)
}

fn area(program: &Program) -> f64 {
    program.costs.layout.area_mm2.iter().map(|(_, mm2)| mm2).sum()
}

fn near(value: f64, published: f64, share: f64) {
    assert!((value / published - 1.0).abs() <= share, "{value}, published {published}");
}

/// HyperTransport, which a chip has once.
const LINK: (f64, f64) = (10.4, 22.88);

/// Shafiee et al. 2016 (ISCA), Table I: a tile 330 mW and 0.372 mm2, the chip 65.8 W and 85.4 mm2.
#[test]
fn isaac_takes_the_power_and_area_of_its_paper() {
    // 12 blocks of 128 rows by 8 of 16 outputs with eight slices each: all 96 arrays of a tile.
    let layer = Layer { inputs: 1536, outputs: 128 };
    let (energy, tile) = run(&layer, "isaac(columns: 1, rows: 1)");
    let interval = tile.costs.initiation_interval_s;
    // Sixteen cycles of 100 ns: the next sample begins while the last columns are converted.
    near(interval, 1.6e-6, 0.01);
    let works = energy.values().sum::<f64>() / interval;
    let adc = energy["Adc"] / interval;
    near(adc, 12.0 * 16e-3, 0.01);
    let whole = works + tile.costs.static_power_w - LINK.0;
    near(whole, 0.330, 0.03);
    near(adc / whole, 0.58, 0.02);
    near(area(&tile) - LINK.1, 0.372, 0.03);

    // Every tile of the whole chip as busy as that one.
    let (_, chip) = run(&layer, "isaac");
    near(168.0 * works + chip.costs.static_power_w, 65.8, 0.05);
    near(area(&chip), 85.4, 0.05);
}

/// Yao et al. 2020 (Nature 577:641): converters about 88 % of the macro's power; 98.3 % of its area and 93.9 % of its power are periphery.
#[test]
fn converters_take_most_of_yaos_macro() {
    // Eight arrays of 15 outputs and a reference each.
    let (energy, macro_of_eight) = run(&Layer { inputs: 128, outputs: 120 }, "yao2020");
    // Shifts and additions are not in the published sum.
    let whole = energy.values().sum::<f64>() - energy["Digital"];
    near(energy["Adc"], 8.0 * 326.4e-12, 1e-9);
    near(energy["Adc"] / whole, 0.88, 0.02);
    near(1.0 - energy["Cells"] / whole, 0.939, 0.01);
    let cells = macro_of_eight.costs.layout.area_mm2.iter().find(|(kind, _)| *kind == ComponentKind::Cells).unwrap().1;
    near(1.0 - cells / area(&macro_of_eight), 0.983, 0.005);
}
