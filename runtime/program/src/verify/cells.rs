//! Arrays of cells belong to programming: samples see them through their matrix alone.

use std::collections::BTreeSet;

use super::Checker;
use crate::*;

/// Cells of one array with wires, at most.
const MOST_NODES: usize = 1 << 26;

impl Checker<'_> {
    pub fn cells(&mut self) {
        let program = self.program;
        let cells = program.matrices.iter().filter_map(|matrix| matrix.cells.as_ref());
        let held: BTreeSet<ArrayId> = cells.flat_map(|cells| cells.arrays()).collect();
        if let Some(array) = program.touched().into_iter().find(|array| held.contains(array)) {
            self.say(format!("array {}: held by cells, and used outside programming", array.0));
        }
        for op in &program.ageing {
            let plain = matches!(op, Op::Kernel { spikes: None, .. });
            self.require(plain, || String::from("ageing: only kernels without spikes age cells"));
        }
        for matrix in &program.matrices {
            if let Some(cells) = &matrix.cells {
                self.written(matrix, cells);
            }
        }
        for lines in &program.lines {
            self.lines(lines);
        }
        for &(matrix, row) in program.passive.iter().flatten() {
            let found = program.matrices.get(matrix.index()).filter(|found| found.cells.is_some());
            let sound = found.is_some_and(|found| row.checked_add(found.rows).is_some_and(|rows| rows <= MOST_NODES));
            self.require(sound, || format!("matrix {} in a passive array: without cells", matrix.0));
        }
        let mut on_wires = BTreeSet::new();
        for wired in &program.wired {
            let ohms = [wired.segment, wired.driver, wired.sense];
            let sound = ohms.iter().all(|ohms| ohms.is_finite() && *ohms >= 0.0) && ohms.iter().any(|ohms| *ohms > 0.0);
            self.require(sound, || format!("wires of {ohms:?} ohm"));
            let mut places = Vec::new();
            for &(matrix, row) in &wired.pieces {
                let user = format!("matrix {} on wires", matrix.0);
                self.require(on_wires.insert(matrix), || format!("{user}: twice"));
                let found = program.matrices.get(matrix.index());
                let Some((found, cells)) = found.and_then(|found| Some((found, found.cells.as_ref()?))) else {
                    self.say(format!("{user}: without cells"));
                    continue;
                };
                self.require(cells.normalised.is_empty(), || format!("{user}: its columns are to give voltages"));
                let size = (row.saturating_add(found.rows)).saturating_mul(cells.scheme.columns(found.cols));
                if size > MOST_NODES {
                    self.say(format!("{user}: too large an array"));
                    continue;
                }
                let all = (row..row + found.rows).flat_map(|row| {
                    let own = cells.scheme.own(found.cols);
                    (0..own).map(move |index| (row, cells.scheme.column(index, found.cols)))
                });
                places.extend(all);
            }
            places.sort_unstable();
            let alone = places.windows(2).all(|pair| pair[0] != pair[1]);
            self.require(alone, || String::from("wires with two matrices over the same cells"));
            self.require(!places.is_empty(), || String::from("wires without cells"));
        }
    }
}

impl Checker<'_> {
    fn lines(&mut self, lines: &Lines) {
        let user = &format!("lines of {}", lines.name);
        let shares = [lines.dead_row, lines.dead_column, lines.stuck];
        self.require(shares.iter().all(|share| (0.0..=1.0).contains(share)), || format!("{user}: no such shares"));
        let numbers = [Some(lines.rows), Some(lines.columns), lines.spare_cells].into_iter().flatten();
        for array in numbers.chain(lines.pieces.iter().map(|(.., numbers)| *numbers)) {
            self.slice(array, 0, 0, user);
            self.of_all(array, user);
        }
        let len = |array: ArrayId| match self.program.arrays.get(array.index()).map(|array| array.len) {
            Some(Len::Fixed(len)) => len,
            Some(Len::Synapses(_)) | None => 0,
        };
        let (rows, columns) = (len(lines.rows), len(lines.columns));
        let of_spares = lines.spare_cells.map_or(0, len);
        let mut wrong = lines.spares >= columns.max(1) || lines.spares.checked_mul(rows) != Some(of_spares);
        for &(matrix, first, numbers) in &lines.pieces {
            let found = self.program.matrices.get(matrix.index());
            let Some((found, cells)) = found.and_then(|found| Some((found, found.cells.as_ref()?))) else {
                wrong = true;
                continue;
            };
            let last = cells.columns(found.cols).saturating_add(lines.spares);
            wrong |= last > columns || first.saturating_add(found.rows.saturating_mul(cells.rows_each())) > rows;
            wrong |= !wrong && len(numbers) != cells.scheme.cells(found.rows, found.cols);
        }
        self.require(!wrong, || format!("{user}: not those of its cells"));
    }

    fn written(&mut self, matrix: &Matrix, cells: &Cells) {
        let user = &format!("programming of {}", matrix.name);
        let sound = |number: f64| number.is_finite() && number >= 0.0;
        let of_pulses = [cells.write_pulses, cells.write_time, cells.write_joules_per_siemens];
        self.require(of_pulses.into_iter().all(sound), || format!("{user}: no such pulses"));
        self.require((0.0..=1.0).contains(&cells.rest), || {
            format!("{user}: cells rest at {} of their range", cells.rest)
        });
        let normalised = cells.normalised.is_empty()
            || cells.normalised.len() == matrix.cols
                && matches!(cells.scheme, Scheme::Differential | Scheme::Single)
                && cells.telegraph.is_empty()
                && cells.flicker.is_none()
                && cells.current.is_none();
        self.require(normalised && cells.normalised.iter().all(|siemens| sound(*siemens)), || {
            format!("{user}: columns that cannot be divided by their conductances")
        });
        if let Some(signs) = cells.signs {
            self.slice(signs, 0, matrix.rows, user);
            self.of_all(signs, user);
        }
        let count = cells.scheme.cells(matrix.rows, matrix.cols);
        for trap in &cells.telegraph {
            for array in [trap.amplitude, trap.capture, trap.emission] {
                self.slice(array, 0, count, user);
                self.of_all(array, user);
            }
        }
        if let Some(flicker) = &cells.flicker {
            self.slice(flicker.sigma, 0, count, user);
            self.of_all(flicker.sigma, user);
            let times = !flicker.taus.is_empty() && flicker.taus.iter().all(|tau| sound(*tau) && *tau > 0.0);
            self.require(times, || format!("{user}: noise without times"));
        }
        if let Some(VerifyRead { joules_per_siemens, joules, seconds }) = cells.verified {
            let known = [joules_per_siemens, joules, seconds].into_iter().all(sound);
            self.require(known, || format!("{user}: no such reads"));
        }
        let Some(written) = &cells.written else { return };
        self.pulse(&written.pulse, count, user);
        if let Some(HalfSelected { kernel, joules, array, floating, .. }) = written.half_selected {
            self.require(array < self.program.passive.len(), || format!("{user}: no such passive array"));
            self.require(floating.is_none_or(|floating| sound(floating.volts)), || format!("{user}: no such voltage"));
            self.dense(kernel, written.pulse.len, user);
            for array in [joules].into_iter().chain(floating.map(|floating| floating.across)) {
                self.slice(array, 0, written.pulse.len, user);
                self.of_all(array, user);
            }
        }
        if let Some(luck) = written.luck {
            self.slice(luck, 0, count, user);
            self.of_all(luck, user);
        }
        match &written.way {
            WrittenBy::Verify { kernel, asked, tolerance } => {
                self.dense(*kernel, written.pulse.len, user);
                self.slice(*asked, 0, written.pulse.len, user);
                self.of_all(*asked, user);
                self.require(sound(*tolerance), || format!("{user}: a tolerance of {tolerance}"));
            }
            WrittenBy::Curve(held) => {
                let rises = held.is_sorted() && held.iter().all(|held| held.is_finite());
                self.require(rises && !held.is_empty(), || format!("{user}: pulses lead nowhere"));
            }
        }
    }
}

impl Program {
    /// Every array that the operations of ticks write.
    pub fn made_in_ticks(&self) -> BTreeSet<ArrayId> {
        let stored = |kernel: KernelId| {
            let kernel = &self.kernels[kernel.index()];
            let stores = kernel.body.iter().filter_map(|inst| {
                let crate::Inst::Store { slot, .. } = inst else { return None };
                Some(kernel.slots[*slot as usize].array)
            });
            stores.collect::<Vec<ArrayId>>()
        };
        let made = |op: &Op| match *op {
            Op::Kernel { kernel, .. }
            | Op::Substeps { kernel, .. }
            | Op::OnSpikes { kernel, .. }
            | Op::OnPost { kernel, .. }
            | Op::Synapses { kernel, .. }
            | Op::Rewire { fresh: kernel, .. } => stored(kernel),
            Op::Deliver { connection } => match self.connections[connection.index()].on_pre {
                crate::Effect::Add { array, .. } => vec![array],
                crate::Effect::Kernel(kernel) => stored(kernel),
            },
            Op::Fill { array, .. } | Op::Present { array, .. } | Op::Decay { array, .. } => vec![array],
            Op::Multiply { output, .. } | Op::Transposed { output, .. } => vec![output],
            Op::Past { ring, to, .. } => vec![ring, to],
            Op::Copy { to, .. } | Op::Gather { to, .. } | Op::Scatter { to, .. } | Op::Reduce { to, .. } => vec![to],
            Op::Emit { .. } | Op::Target { .. } | Op::Write { .. } | Op::Fold { .. } => Vec::new(),
        };
        self.tick.iter().flat_map(made).collect()
    }

    /// Every array that samples, phases and probes use; the others are for programming and building alone.
    pub fn touched(&self) -> BTreeSet<ArrayId> {
        let program = self;
        let mut arrays = Vec::new();
        let of_kernel = |kernel: KernelId| {
            let kernel = program.kernels.get(kernel.index());
            kernel.into_iter().flat_map(|kernel| kernel.slots.iter().map(|slot| slot.array))
        };
        for array in &program.arrays {
            match array.initial {
                Initial::Kernel(kernel) if array.per_lane => arrays.extend(of_kernel(kernel)),
                Initial::Kernel(_) | Initial::Fill(_) | Initial::Tensor { .. } => {}
            }
        }
        let backward = program.learning().flat_map(Learning::ops);
        for op in program.begin.iter().chain(&program.tick).chain(&program.end).chain(backward) {
            match *op {
                Op::Kernel { kernel, .. }
                | Op::Substeps { kernel, .. }
                | Op::OnSpikes { kernel, .. }
                | Op::OnPost { kernel, .. } => arrays.extend(of_kernel(kernel)),
                Op::Synapses { kernel, ref zeroed, .. } => {
                    arrays.extend(of_kernel(kernel));
                    arrays.extend(zeroed);
                }
                Op::Rewire { gone, fresh, .. } => {
                    arrays.push(gone);
                    arrays.extend(of_kernel(fresh));
                }
                Op::Fill { array, .. } | Op::Present { array, .. } => arrays.push(array),
                Op::Multiply { input, output, .. } | Op::Transposed { input, output, .. } => {
                    arrays.extend([input, output]);
                }
                Op::Past { from, ring, to, .. } => arrays.extend([from, ring, to]),
                Op::Copy { from, to, .. }
                | Op::Gather { from, to, .. }
                | Op::Scatter { from, to, .. }
                | Op::Reduce { from, to, .. } => arrays.extend([from, to]),
                Op::Decay { array, factors, .. } => arrays.extend([array, factors]),
                Op::Emit { .. } | Op::Deliver { .. } | Op::Target { .. } | Op::Write { .. } | Op::Fold { .. } => {}
            }
        }
        for cells in program.matrices.iter().filter_map(|matrix| matrix.cells.as_ref()) {
            if let Some(Current { kernel, siemens, volts, amperes, slope, .. }) = &cells.current {
                arrays.extend(of_kernel(*kernel));
                arrays.extend([siemens, volts, amperes, slope]);
            }
        }
        for group in &program.groups {
            match group.source {
                Source::Poisson { rate: array } | Source::Once { at: array } => arrays.push(array),
                Source::Kernel | Source::Given => {}
            }
        }
        for connection in &program.connections {
            match connection.on_pre {
                Effect::Kernel(kernel) => arrays.extend(of_kernel(kernel)),
                Effect::Add { array, ref amount, held } => {
                    arrays.extend(std::iter::once(array).chain(held));
                    match *amount {
                        Amount::Array(amounts) => arrays.push(amounts),
                        Amount::Constant(_) => {}
                    }
                }
            }
        }
        for probe in &program.probes {
            match probe.probed {
                Probed::Array(array) | Probed::Output(array) | Probed::Synapses(_, array) => arrays.push(array),
                Probed::Spikes(_) | Probed::Rate(_) => {}
            }
        }
        for learning in program.learning() {
            arrays.extend([learning.output.0, learning.gradient]);
            arrays.extend(learning.ranges.iter().map(|followed| followed.values.0));
            let factors = learning.layers.iter().flat_map(|layer| &layer.factors);
            arrays.extend(factors.flat_map(|factor| [factor.rows.0, factor.columns.0]));
            let kept = learning.through.iter().flat_map(Through::all_kept);
            arrays.extend(kept.flat_map(|kept| [kept.from, kept.to]));
        }
        for phase in &program.phases {
            arrays.extend(phase.fits.iter().map(|fit| fit.features.0));
            for feed in &phase.inputs {
                match feed {
                    InputFeed::Values { array, .. } => arrays.push(*array),
                    InputFeed::Spikes { .. } => {}
                }
            }
            arrays.extend(phase.metrics.iter().flat_map(|metric| &metric.steps).flat_map(MetricKind::outputs));
        }
        arrays.into_iter().collect()
    }
}
