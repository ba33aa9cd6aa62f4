//! The time loop: programs the cells, presents the samples of each phase, fits, measures.

use std::time::Instant;

use nmc_program::{Effect, Op, Phase, PhaseKind, Precision, Program};
use rayon::prelude::*;

use crate::energy::{self, Counts};
use crate::interpreter::{Computable, Interpreter};
use crate::jit::Jit;
use crate::jit::product::Product;
use crate::lanes::{Lanes, Moment, Shared, fit_readouts};
use crate::matrix;
use crate::memory;
use crate::metrics;
use crate::record::{self, Broken, SampleRecord};
use crate::start::prepare;
use crate::state::{Buffer, Kernels};
use crate::{EngineKind, Results, RunError, RunOptions};

/// Samples that run side by side. Fixed, so that results do not depend on the number of threads.
const BATCH: usize = 32;

/// What can be refused before a run begins: a damaged image, and one that takes too much memory.
pub fn check(program: &Program, options: &RunOptions) -> Result<(), RunError> {
    if let Some(problem) = program.verify().into_iter().next() {
        let message = format!("this program image is damaged: {problem}");
        return Err(RunError { code: "E0702", message, help: Some(String::from("build it again from its source")) });
    }
    let side_by_side = program.phases.iter().any(|phase| is_independent(program, phase));
    memory::check(program, if side_by_side { BATCH * options.threads.max(1) } else { 1 }, options.memory)
}

/// Runs a program in its precision.
pub fn run(program: &Program, options: &RunOptions) -> Result<Results, RunError> {
    check(program, options)?;
    match program.precision {
        Precision::F32 => Engine::<f32>::run(program, options),
        Precision::F64 => Engine::<f64>::run(program, options),
    }
}

/// A run under way.
struct Engine<'a, T> {
    shared: Shared<'a, T>,
    options: &'a RunOptions<'a>,
    /// Arrays as they start, one lane.
    initial: Vec<Buffer<T>>,
    /// The lane of series and of programs that learn.
    main: Lanes<T>,
    counts: Counts,
    /// Ticks and samples of the phases so far that record.
    recorded: (u64, usize),
    total_samples: usize,
    done_samples: std::sync::atomic::AtomicUsize,
}

impl<'a, T: Computable + Product> Engine<'a, T> {
    fn run(program: &'a Program, options: &'a RunOptions<'a>) -> Result<Results, RunError> {
        let begin = Instant::now();
        let mut results = Results { latency_s: program.costs.latency_s, ..Results::default() };
        let kernels = kernels::<T>(program, options.engine, &mut results.fallbacks);
        results.jit_seconds = begin.elapsed().as_secs_f64();
        let mut engine = Engine::load(program, options, kernels)?;
        engine.program_cells();
        results.load_seconds = begin.elapsed().as_secs_f64() - results.jit_seconds;
        results.recordings = record::recordings(program);
        let start = Instant::now();
        let threads = options.threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = if threads > 1 { pool.ok() } else { None };
        for phase in &program.phases {
            engine.phase(phase, pool.as_ref(), &mut results)?;
        }
        let (carriers, ticks) = (&engine.shared.carriers, engine.recorded.0);
        record::synapses(program, carriers, &engine.main.buffers, ticks, &mut results.recordings);
        engine.summary(&mut results);
        results.run_seconds = start.elapsed().as_secs_f64();
        Ok(results)
    }

    fn load(
        program: &'a Program,
        options: &'a RunOptions<'a>,
        kernels: Box<dyn Kernels<T> + 'a>,
    ) -> Result<Self, RunError> {
        let (initial, carriers) = prepare(program, kernels.as_ref(), options.seed)?;
        let shared =
            Shared { program, kernels, carriers, matrices: Vec::new(), fitted: Vec::new(), seed: options.seed };
        let main = Lanes::new(&shared, &initial, 1);
        let total_samples = program.phases.iter().map(|phase| phase.samples).sum();
        let counts = Counts::new(program);
        let done_samples = std::sync::atomic::AtomicUsize::new(0);
        Ok(Engine { shared, options, initial, main, counts, recorded: (0, 0), total_samples, done_samples })
    }

    /// Programs the cells and makes the effective matrices.
    fn program_cells(&mut self) {
        let program = self.shared.program;
        let moment = Moment { sample: 0, within: 0, time: 0.0 };
        if let Some(phase) = program.phases.first() {
            self.main.run(&self.shared, phase, &program.programming, moment);
        }
        let (fitted, buffers) = (&self.shared.fitted, &self.main.buffers);
        let matrices = program.matrices.iter().map(|matrix| matrix::fold(program, matrix, fitted, buffers));
        self.shared.matrices = matrices.collect();
    }

    fn phase(
        &mut self,
        phase: &Phase,
        pool: Option<&rayon::ThreadPool>,
        results: &mut Results,
    ) -> Result<(), RunError> {
        let program = self.shared.program;
        let records = if is_independent(program, phase) {
            let (records, counts) = self.batches(phase, pool);
            self.counts.add(&counts);
            records
        } else {
            self.series(phase)
        };
        if let Some((sample, broken)) = records.iter().enumerate().find_map(|(i, r)| Some((i, r.broken.as_ref()?))) {
            return Err(useless(broken, sample));
        }
        let shared = program.arrays.iter().zip(&self.main.buffers).filter(|(array, _)| !array.per_lane);
        if let Some(broken) =
            shared.filter_map(|(array, buffer)| record::fault(&array.name, &buffer.data, false)).next()
        {
            return Err(useless(&broken, phase.samples.saturating_sub(1)));
        }
        let outputs = record::outputs(&records);
        if !phase.fits.is_empty() {
            fit_readouts(&mut self.shared, phase, &outputs, &mut self.main.buffers)?;
            for fit in &phase.fits {
                for array in fit.bias.into_iter().chain(fit.ranges.iter().map(|range| range.array)) {
                    self.initial[array.index()] = self.main.buffers[array.index()].clone();
                }
            }
            self.program_cells();
        }
        let last =
            |array: nmc_program::ArrayId| self.main.buffers[array.index()].lane(0).iter().map(|v| v.wide()).collect();
        for metric in &phase.metrics {
            let value = metrics::compute(program, metric, &outputs, phase.samples, last);
            results.metrics.push((metric.name.clone(), value));
        }
        results.samples = phase.samples;
        record::gather(program, phase, records, self.recorded, &mut results.recordings);
        if phase.kind != PhaseKind::Train {
            self.recorded.0 += phase.samples as u64 * u64::from(phase.ticks);
            self.recorded.1 += phase.samples;
        }
        Ok(())
    }

    /// Samples one after the other, in one lane.
    fn series(&mut self, phase: &Phase) -> Vec<SampleRecord> {
        let program = self.shared.program;
        let mut records = Vec::with_capacity(phase.samples);
        for sample in 0..phase.samples as u64 {
            if !phase.sequence {
                self.main.restart(&self.shared, &self.initial, sample);
            }
            let mut record = [SampleRecord::new(program, phase)];
            self.main.sample(&self.shared, phase, sample, &mut record);
            records.extend(record);
            self.report(1);
        }
        self.counts.add(&self.main.counts);
        self.main.counts = Counts::new(program);
        records
    }

    /// Independent samples in batches, on several threads.
    fn batches(&self, phase: &Phase, pool: Option<&rayon::ThreadPool>) -> (Vec<SampleRecord>, Counts) {
        // Conductances are needed for programming only: batches do without a copy.
        let mut light = self.main.buffers.clone();
        for (buffer, fresh) in light.iter_mut().zip(&self.initial) {
            if buffer.per_lane {
                buffer.data.clone_from(&fresh.data);
            }
        }
        for cells in self.shared.program.matrices.iter().filter_map(|matrix| matrix.cells.as_ref()) {
            light[cells.conductance.index()] = Buffer::default();
            if let Some(sigma) = cells.read_sigma {
                light[sigma.index()] = Buffer::default();
            }
        }
        let fresh = || Lanes::new(&self.shared, &light, BATCH);
        let starts: Vec<usize> = (0..phase.samples).step_by(BATCH).collect();
        let one = |lanes: &mut Lanes<T>, &start: &usize| {
            lanes.used = BATCH.min(phase.samples - start);
            lanes.counts = Counts::new(self.shared.program);
            lanes.restart(&self.shared, &light, start as u64);
            let mut records = vec![SampleRecord::new(self.shared.program, phase); lanes.used];
            lanes.sample(&self.shared, phase, start as u64, &mut records);
            self.report(lanes.used);
            (records, lanes.counts.clone())
        };
        let done: Vec<(Vec<SampleRecord>, Counts)> = match pool {
            Some(pool) => pool.install(|| starts.par_iter().map_init(fresh, one).collect()),
            None => {
                let mut lanes = fresh();
                starts.iter().map(|start| one(&mut lanes, start)).collect()
            }
        };
        let mut total = Counts::new(self.shared.program);
        let mut records = Vec::with_capacity(phase.samples);
        for (batch, counts) in done {
            total.add(&counts);
            records.extend(batch);
        }
        (records, total)
    }

    fn report(&self, samples: usize) {
        let done = self.done_samples.fetch_add(samples, std::sync::atomic::Ordering::Relaxed) + samples;
        if let Some(progress) = self.options.progress {
            progress(done as f64 / self.total_samples.max(1) as f64);
        }
    }

    /// Spikes, rates, energy and requirements.
    fn summary(&self, results: &mut Results) {
        let program = self.shared.program;
        let seconds = self.counts.ticks as f64 * program.dt;
        for (group, &spikes) in program.groups.iter().zip(&self.counts.spikes) {
            results.metrics.push((format!("spikes.{}", group.name), spikes as f64));
            if seconds > 0.0 {
                let rate = spikes as f64 / group.len.max(1) as f64 / seconds;
                results.metrics.push((format!("rate_hz.{}", group.name), rate));
            }
        }
        results.energy_j = energy::energy(program, &self.counts);
        results.failures = metrics::failures(program, &[results.known(program)]);
    }
}

/// Why results cannot be used.
fn useless(broken: &Broken, sample: usize) -> RunError {
    let (code, message, help) = match broken {
        Broken::NotANumber(name) => (
            "E0706",
            format!("{name} is no longer a number (NaN) after sample {sample}"),
            "use a smaller time step, or check the equations for a division by zero",
        ),
        Broken::Infinite(name) => (
            "E0706",
            format!("{name} is infinite after sample {sample}"),
            "use a smaller time step, or check the equations for a division by zero",
        ),
        Broken::Flooded(name) => (
            "E0708",
            format!("an element of {name} would spike more than 10,000 times in one step"),
            "lower its rate, or use a smaller time step",
        ),
    };
    RunError { code, message, help: Some(String::from(help)) }
}

/// The engine asked for; where machine code cannot be made, the interpreter, and a note of why.
fn kernels<'a, T: Computable>(
    program: &'a Program,
    kind: EngineKind,
    fallbacks: &mut Vec<String>,
) -> Box<dyn Kernels<T> + 'a> {
    if kind == EngineKind::Jit {
        match Jit::new(program) {
            Ok(jit) => return Box::new(jit),
            Err(reason) => fallbacks.push(reason),
        }
    }
    Box::new(Interpreter::new(&program.kernels))
}

/// Whether a phase's samples can run side by side.
fn is_independent(program: &Program, phase: &Phase) -> bool {
    !phase.sequence && phase.samples > 1 && !learns(program)
}

/// Whether samples change something that later samples see: then they run one after the other.
fn learns(program: &Program) -> bool {
    let changes = |kernel: nmc_program::KernelId| {
        let kernel = &program.kernels[kernel.index()];
        kernel.body.iter().any(|inst| {
            let nmc_program::Inst::Store { slot, .. } = inst else { return false };
            !program.arrays[kernel.slots[*slot as usize].array.index()].per_lane
        })
    };
    let mut ops = program.begin.iter().chain(&program.tick).chain(&program.end);
    ops.any(|op| match op {
        Op::Kernel { kernel, .. } | Op::OnSpikes { kernel, .. } => changes(*kernel),
        Op::Deliver { connection } => match &program.connections[connection.index()].on_pre {
            Effect::Kernel(kernel) => changes(*kernel),
            Effect::Add { array, .. } => !program.arrays[array.index()].per_lane,
        },
        Op::OnPost { connection } => program.connections[connection.index()].on_post.is_some_and(changes),
        Op::Emit { .. }
        | Op::Fill { .. }
        | Op::Multiply { .. }
        | Op::Copy { .. }
        | Op::Target { .. }
        | Op::Fold { .. }
        | Op::Present { .. } => false,
    })
}
