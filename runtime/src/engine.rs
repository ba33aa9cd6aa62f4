//! The time loop: programs the cells, presents the samples of each phase, fits, measures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use nmc_program::{ArrayId, Effect, Len, Op, Phase, PhaseKind, Program, Tensor, WeightSource};
use rayon::prelude::*;

use crate::arrays;
use crate::energy::{self, Counts};
use crate::fit::fit_readouts;
use crate::interpreter::{Computable, Interpreter};
use crate::jit::Jit;
use crate::jit::product::Product;
use crate::lanes::{self, Lanes, Moment, Place, Shared};
use crate::left;
use crate::lines;
use crate::matrix::{Effective, Fitted};
use crate::metrics;
use crate::passive;
use crate::record::{self, Broken, SampleRecord};
use crate::simulation::State;
use crate::start::prepare;
use crate::state::{Buffer, Clock, Kernels};
use crate::team;
use crate::write::{self, Given};
use crate::{EngineKind, Results, RunError, RunOptions};

/// Samples that run side by side. Fixed, so that results do not depend on the number of threads.
pub const BATCH: usize = 32;
/// Elements of a group from which threads share a network.
const ALONE: usize = 8192;
/// Ticks after which a pause is possible.
const TICKS: u64 = 64;

/// Whether to stop where the state can be saved.
pub type Pause<'p> = &'p (dyn Fn() -> bool + Sync);

/// A run under way.
pub struct Engine<'a, T> {
    pub shared: Shared<'a, T>,
    options: &'a RunOptions<'a>,
    pub pool: Option<rayon::ThreadPool>,
    /// Arrays as they start, one lane.
    pub initial: Vec<Buffer<T>>,
    pub state: State<T>,
    /// For the progress bar.
    pub done_samples: AtomicUsize,
    /// Seconds since programming at which the matrices are read.
    after: f64,
}

impl<'a, T: Computable + Product> Engine<'a, T> {
    /// Ready for the first sample, with kernels that took so long to make.
    pub fn load(
        program: &'a Program,
        options: &'a RunOptions<'a>,
        kernels: Arc<dyn Kernels<T> + 'a>,
        jit_seconds: f64,
    ) -> Result<Self, RunError> {
        let begin = Instant::now();
        let fits = program.phases.iter().flat_map(|phase| &phase.fits).map(|spec| spec.fit + 1).max();
        let fitted = vec![Fitted::default(); fits.unwrap_or(0)];
        let threads = options.threads.max(1);
        let pool = if threads > 1 { rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok() } else { None };
        let shared_out = pool.as_ref().filter(|_| program.groups.iter().any(|group| group.len >= ALONE));
        let (mut initial, carriers) =
            team::together(shared_out, false, || prepare(program, kernels.as_ref(), options.seed))?;
        let repaired = program.lines.iter().map(|of| lines::repair(program, of, &mut initial)).collect();
        let (matrices, tick) = (Vec::new(), lanes::together(program, &program.tick));
        let (seed, read_seldom) = (options.seed, Default::default());
        let shared = Shared { program, kernels, carriers, matrices, fitted, read_seldom, seed, tick };
        // What lanes share of synapses never starts anew: it is moved, and not there twice.
        let shared_by = |array: &nmc_program::Array| matches!(array.len, Len::Synapses(_)) && !array.per_lane;
        let moved: Vec<usize> = (0..initial.len()).filter(|&at| shared_by(&program.arrays[at])).collect();
        let taken: Vec<Vec<T>> = moved.iter().map(|&at| std::mem::take(&mut initial[at].data)).collect();
        let mut main = Lanes::new(&shared, &initial, 1);
        moved.into_iter().zip(taken).for_each(|(at, data)| main.buffers[at].data = data);
        let state = State::new(program, main);
        let mut engine =
            Engine { shared, options, pool, initial, state, done_samples: AtomicUsize::new(0), after: 0.0 };
        engine.program_cells(|_| true);
        engine.state.results.repaired = repaired;
        engine.state.results.jit_seconds = jit_seconds;
        engine.state.results.load_seconds = begin.elapsed().as_secs_f64();
        Ok(engine)
    }

    /// Programs the cells of the matrices that are chosen, and makes the effective matrices.
    fn program_cells(&mut self, chosen: impl Fn(&WeightSource) -> bool) {
        let program = self.shared.program;
        let moment = Moment { sample: self.state.programmed, ..Moment::default() };
        let clock = Clock { seed: self.shared.seed, tick: 0, sample: moment.sample, time: 0.0 };
        let (mut is_chosen, mut asked, mut given, mut rounds) = (true, Vec::new(), Given::default(), 0);
        let mut done = Vec::new();
        for (matrix, _) in program.passive.iter().flatten() {
            let matrix = &program.matrices[matrix.index()];
            let written = matrix.cells.as_ref().and_then(|cells| Some((cells, cells.written.as_ref()?)));
            if let Some((cells, written)) = written.filter(|_| chosen(&matrix.weights)) {
                write::erase(cells, written, &mut self.state.main.buffers);
            }
        }
        for op in &program.programming {
            if let Op::Target { matrix } = op {
                is_chosen = chosen(&program.matrices[matrix.index()].weights);
            }
            let (true, Some(phase)) = (is_chosen, program.phases.first()) else { continue };
            self.state.main.run(&self.shared, phase, std::slice::from_ref(op), moment);
            let (Op::Target { matrix } | Op::Write { matrix } | Op::Fold { matrix }) = op else { continue };
            let Some(cells) = &program.matrices[matrix.index()].cells else { continue };
            let main = &mut self.state.main;
            match (op, &cells.written) {
                (Op::Target { .. }, _) => {
                    (asked, given) = (main.buffers[cells.conductance.index()].lane(0).to_vec(), Given::default());
                }
                (Op::Write { matrix }, Some(written)) => {
                    let (kernels, buffers) = (self.shared.kernels.as_ref(), &mut main.buffers);
                    given = match &written.half_selected {
                        Some(half) => {
                            passive::write(program, kernels, (*matrix, written, half), buffers, clock, &mut rounds)
                        }
                        None => write::write(kernels, cells, written, buffers, clock, &mut rounds),
                    };
                    main.counts.written[matrix.index()] += given.pulses.iter().map(|&n| u64::from(n)).sum::<u64>();
                }
                (_, _) => done.push((*matrix, std::mem::take(&mut asked), std::mem::take(&mut given))),
            }
        }
        // Later matrices of a passive array disturb earlier ones.
        for (id, asked, given) in done {
            let matrix = &program.matrices[id.index()];
            let Some(cells) = &matrix.cells else { continue };
            let main = &mut self.state.main;
            let left = write::left(matrix, cells, &asked, main.buffers[cells.conductance.index()].lane(0), &given);
            main.counts.write_energy[id.index()] += left.read_joules + left.half_selected_joules + left.pulse_joules;
            let programmed = &mut self.state.results.programmed;
            programmed.retain(|known| known.name != left.name);
            programmed.push(left);
        }
        self.state.programmed += 1;
        self.fold();
    }

    /// Makes the effective matrices from conductances and fitted weights, as the phase under way reads them.
    pub fn fold(&mut self) {
        let program = self.shared.program;
        self.after = program.phases.get(self.state.phase).map_or(0.0, |phase| phase.after);
        if !program.drift_compensated {
            self.shared.matrices = self.aged(self.after);
            return;
        }
        let fresh: Vec<Vec<T>> = self.aged(0.0).into_iter().map(|matrix| matrix.weights).collect();
        let mut matrices = self.aged(self.after);
        for (matrix, fresh) in matrices.iter_mut().zip(fresh) {
            let factor = matrix.nearest(&fresh);
            if factor > 0.0 {
                matrix.raise(factor);
            }
        }
        self.shared.matrices = matrices;
    }

    /// The effective matrices so many seconds after programming.
    fn aged(&mut self, after: f64) -> Vec<Effective<T>> {
        arrays::aged(&self.shared, &mut self.state.main.buffers, after, self.pool.as_ref())
    }

    /// Goes on to the end (`true`), or to where `pause` wants to stop.
    pub fn advance(&mut self, pause: Pause) -> Result<bool, RunError> {
        let program = self.shared.program;
        while let Some(phase) = program.phases.get(self.state.phase) {
            if phase.after != self.after {
                self.fold();
            }
            let done = match &phase.learning {
                Some(learning) => self.learn(phase, learning, pause)?,
                None if is_independent(program, phase) => self.batches(phase, pause),
                None => {
                    let pool = self.pool.take_if(|_| program.groups.iter().any(|group| group.len >= ALONE));
                    let done = team::together(pool.as_ref(), true, || self.series(phase, pause));
                    self.pool = pool.or(self.pool.take());
                    done
                }
            };
            if !done {
                return Ok(false);
            }
            self.finish(phase)?;
            if pause() {
                break;
            }
        }
        Ok(self.state.phase == program.phases.len())
    }

    /// After the last sample of a phase.
    fn finish(&mut self, phase: &Phase) -> Result<(), RunError> {
        let program = self.shared.program;
        if let Some(learning) = &phase.learning {
            let training = self.training(phase, learning);
            self.state.results.training.push(training);
            self.state.phase += 1;
            return Ok(());
        }
        for (_, (records, counts)) in std::mem::take(&mut self.state.batches) {
            self.state.counts.add(&counts);
            self.state.records.extend(records);
        }
        let counts = std::mem::replace(&mut self.state.main.counts, Counts::new(program));
        self.state.counts.add(&counts);
        let records = std::mem::take(&mut self.state.records);
        if let Some((sample, broken)) = records.iter().enumerate().find_map(|(i, r)| Some((i, r.broken.as_ref()?))) {
            return Err(useless(program, broken, sample));
        }
        let shared = program.arrays.iter().zip(&self.state.main.buffers).filter(|(array, _)| !array.per_lane);
        if let Some(broken) =
            shared.filter_map(|(array, buffer)| record::fault(&array.name, &buffer.data, false)).next()
        {
            return Err(useless(program, &broken, phase.samples.saturating_sub(1)));
        }
        let outputs = record::outputs(&records);
        if !phase.fits.is_empty() {
            fit_readouts(&mut self.shared, phase, &outputs, &mut self.state.main.buffers)?;
            let refitted = |weights: &WeightSource| match weights {
                WeightSource::Fitted { fit, .. } => phase.fits.iter().any(|spec| spec.fit == *fit),
                WeightSource::Tensor { .. } | WeightSource::Held(_) => false,
            };
            self.program_cells(refitted);
        }
        let State { main, results, recorded, .. } = &mut self.state;
        let last = |array: ArrayId| main.buffers[array.index()].lane(0).iter().map(|v| v.wide()).collect();
        for metric in &phase.metrics {
            let value = metrics::compute(program, metric, &outputs, (phase.samples, phase.taken as usize), last);
            results.metrics.push((metric.name.clone(), value));
        }
        results.samples = phase.samples;
        record::gather(program, phase, records, *recorded, &mut results.recordings);
        if phase.kind != PhaseKind::Train {
            recorded.0 += phase.samples as u64 * u64::from(phase.ticks);
            recorded.1 += phase.samples * phase.taken as usize;
        }
        if let Some(aside) = self.state.aside.take() {
            self.state.main.take_back(aside);
        }
        self.state.presented += phase.samples as u64;
        self.state.phase += 1;
        Ok(())
    }

    /// Samples one after the other, in one lane; whether all are done.
    fn series(&mut self, phase: &Phase, pause: Pause) -> bool {
        let ticks = u64::from(phase.ticks);
        while self.state.sample.is_some() || self.state.records.len() < phase.samples {
            let (place, mut within) = match self.state.sample {
                Some(under_way) => under_way,
                None => (self.begin(phase), 0),
            };
            let State { main, records, .. } = &mut self.state;
            let record = &mut records[place.row..];
            while within < ticks {
                main.tick(&self.shared, phase, (place, within), record, |lane| place.row + lane);
                main.take(&self.shared, phase, (place, within), record);
                within += 1;
                if within.is_multiple_of(TICKS) && pause() {
                    self.state.sample = Some((place, within));
                    return false;
                }
            }
            main.end(&self.shared, phase, place, record);
            if phase.sequence {
                self.state.heard += if phase.kind == PhaseKind::Train { 0 } else { ticks };
                self.state.ran = (phase.kind == PhaseKind::Run).then_some((place.number, place.tick + ticks));
            }
            self.state.sample = None;
            self.report(1);
            if self.state.records.len() < phase.samples && pause() {
                return false;
            }
        }
        true
    }

    /// Begins the next sample of a series or of a program that learns.
    fn begin(&mut self, phase: &Phase) -> Place {
        let state = &mut self.state;
        let row = state.records.len();
        let mut place = Place { row, number: state.presented + row as u64, ..Place::default() };
        if row == 0 {
            state.main.change(&self.shared, phase, false);
        }
        if phase.sequence {
            if row == 0 && (phase.restart || !state.going) {
                state.main.restart(&self.shared, &self.initial, place.number);
                (state.ran, state.heard) = (None, 0);
            }
            if row == 0 {
                state.main.change(&self.shared, phase, true);
            }
            state.going = true;
            place.heard = state.heard;
            if let (PhaseKind::Run, Some((number, tick)), true) = (phase.kind, state.ran, phase.ticks > 0) {
                (place.number, place.tick) = (number, tick);
            }
        } else {
            if state.aside.is_none() {
                state.aside = Some(state.main.own());
            }
            state.main.restart(&self.shared, &self.initial, place.number);
        }
        state.main.begin(&self.shared, phase, place, |lane| place.row + lane);
        state.records.push(SampleRecord::new(self.shared.program, phase));
        place
    }

    /// Independent samples in batches, on several threads; whether all are done.
    fn batches(&mut self, phase: &Phase, pause: Pause) -> bool {
        // What is needed for programming only, such as conductances, batches do without.
        let touched = self.shared.program.touched();
        self.state.main.change(&self.shared, phase, false);
        let mut light = self.state.main.buffers.clone();
        for (index, (buffer, fresh)) in light.iter_mut().zip(&self.initial).enumerate() {
            if buffer.per_lane {
                buffer.data.clone_from(&fresh.data);
            } else if !touched.contains(&ArrayId(index as u32)) {
                *buffer = Buffer::default();
            }
        }
        let stop = AtomicBool::new(false);
        let known = &self.state.batches;
        let open: Vec<usize> = (0..phase.samples).step_by(BATCH).filter(|row| !known.contains_key(row)).collect();
        let fresh = || Lanes::new(&self.shared, &light, BATCH);
        let one = |lanes: &mut Lanes<T>, &row: &usize| {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            lanes.used = BATCH.min(phase.samples - row);
            lanes.counts = Counts::new(self.shared.program);
            let place = Place { row, number: self.state.presented + row as u64, ..Place::default() };
            lanes.restart(&self.shared, &light, place.number);
            let mut records = vec![SampleRecord::new(self.shared.program, phase); lanes.used];
            lanes.begin(&self.shared, phase, place, |lane| row + lane);
            for within in 0..u64::from(phase.ticks) {
                lanes.tick(&self.shared, phase, (place, within), &mut records, |lane| row + lane);
                lanes.take(&self.shared, phase, (place, within), &mut records);
            }
            lanes.end(&self.shared, phase, place, &mut records);
            self.report(lanes.used);
            if pause() {
                stop.store(true, Ordering::Relaxed);
            }
            Some((row, (records, lanes.counts.clone())))
        };
        let done: Vec<(usize, (Vec<SampleRecord>, Counts))> = match &self.pool {
            Some(pool) => pool.install(|| open.par_iter().map_init(fresh, one).flatten_iter().collect()),
            None => {
                let mut lanes = fresh();
                open.iter().filter_map(|row| one(&mut lanes, row)).collect()
            }
        };
        let all = done.len() == open.len();
        self.state.batches.extend(done);
        all
    }

    pub fn report(&self, samples: usize) {
        let done = self.done_samples.fetch_add(samples, Ordering::Relaxed) + samples;
        if let Some(progress) = self.options.progress {
            let total: usize = self.shared.program.phases.iter().map(Phase::presentations).sum();
            progress(done as f64 / total.max(1) as f64);
        }
    }

    /// What [`nmc_program::Program::left`] asks for.
    pub fn left(&self) -> Vec<Tensor> {
        let main = &self.state.main;
        let wiring = |index| &main.carrier(&self.shared, index).wiring;
        left::left(self.shared.program, wiring, &main.buffers, main.tick)
    }

    /// Spikes, rates, energy and requirements.
    pub fn results(self) -> Results {
        let State { mut results, counts, main, recorded, .. } = self.state;
        let program = self.shared.program;
        record::synapses(
            program,
            |index| main.carrier(&self.shared, index),
            &main.buffers,
            recorded.0,
            &mut results.recordings,
        );
        let seconds = counts.ticks as f64 * program.dt;
        for (group, &spikes) in program.groups.iter().zip(&counts.spikes) {
            results.metrics.push((format!("spikes.{}", group.name), spikes as f64));
            if seconds > 0.0 {
                let rate = spikes as f64 / group.len.max(1) as f64 / seconds;
                results.metrics.push((format!("rate_hz.{}", group.name), rate));
            }
        }
        for op in &program.tick {
            if let Op::Rewire { connection, name, .. } = op {
                let metric = format!("rewired.{name}");
                if results.metrics.iter().all(|(known, _)| *known != metric) {
                    results.metrics.push((metric, counts.rewired[connection.index()] as f64));
                }
            }
        }
        let sum = |array: ArrayId| main.buffers[array.index()].lane(0).iter().map(|number| number.wide()).sum::<f64>();
        results.energy_j = energy::energy(program, &counts, sum);
        results.failures = metrics::failures(program, &[results.known(program)]);
        results
    }
}

/// Why results cannot be used.
fn useless(program: &Program, broken: &Broken, sample: usize) -> RunError {
    let by_time = "use a smaller time step or `method: rk45`, or check the equations for a division by zero";
    let timeless = "look at the data and weights for what is no number, and at the layers for a division by zero or a logarithm of 0";
    let learns = "train with a lower `rate`";
    let help = match (program.dt > 0.0, program.phases.iter().any(|phase| phase.learning.is_some())) {
        (true, _) => by_time,
        (false, true) => learns,
        (false, false) => timeless,
    };
    let (code, message, help) = match broken {
        Broken::NotANumber(name) => {
            ("E0706", format!("{name} is no longer a number (NaN) after sample {sample}"), help)
        }
        Broken::Infinite(name) => ("E0706", format!("{name} is infinite after sample {sample}"), help),
        Broken::Flooded(name) => (
            "E0708",
            format!("an element of {name} would spike more than 10,000 times in one step"),
            "lower its rate, or use a smaller time step",
        ),
    };
    RunError { code, message, help: Some(String::from(help)), place: None }
}

/// The engine asked for.
pub fn kernels<'a, T: Computable>(
    program: &'a Program,
    kind: EngineKind,
) -> Result<Arc<dyn Kernels<T> + 'a>, RunError> {
    match kind {
        EngineKind::Jit => match Jit::new(program) {
            Ok(jit) => Ok(Arc::new(jit)),
            Err(reason) => Err(RunError {
                code: "E0711",
                message: format!("no machine code could be made: {reason}"),
                help: Some(String::from("run it with `--engine interpreter`, and report this with the program")),
                place: None,
            }),
        },
        EngineKind::Interpreter => Ok(Arc::new(Interpreter::new(&program.kernels))),
    }
}

/// Whether a phase's samples can run side by side.
pub fn is_independent(program: &Program, phase: &Phase) -> bool {
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
        Op::Kernel { kernel, .. } | Op::Substeps { kernel, .. } | Op::OnSpikes { kernel, .. } => changes(*kernel),
        Op::OnPost { kernel, .. } | Op::Synapses { kernel, .. } => changes(*kernel),
        Op::Rewire { .. } => true,
        Op::Deliver { connection } => match &program.connections[connection.index()].on_pre {
            Effect::Kernel(kernel) => changes(*kernel),
            Effect::Add { array, .. } => !program.arrays[array.index()].per_lane,
        },
        Op::Emit { .. }
        | Op::Fill { .. }
        | Op::Multiply { .. }
        | Op::Transposed { .. }
        | Op::Scatter { .. }
        | Op::Copy { .. }
        | Op::Past { .. }
        | Op::Gather { .. }
        | Op::Reduce { .. }
        | Op::Target { .. }
        | Op::Write { .. }
        | Op::Fold { .. }
        | Op::Present { .. }
        | Op::Decay { .. } => false,
    })
}
