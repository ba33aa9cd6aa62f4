//! Recordings as npz files, one each, and learned weights as safetensors, for `--out`; while a run goes on, as npy files that grow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Error, Read, Write, copy};
use std::path::{Path, PathBuf};

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{Precision, Probed, Program, Tensor};
use nmc_runtime::{Recorded, Recording, Results};
use npyz::zip::write::FileOptions;
use npyz::zip::{CompressionMethod, DateTime, ZipWriter};
use safetensors::tensor::{Dtype, SafeTensorError, TensorView, serialize};

use super::parts::{Begun, Growing, Stored, header};
use crate::disk::{NewFolder, cannot_write};

/// A file written.
pub struct Output {
    /// `exc.v`
    pub name: String,
    /// `spikes`, `values`, `synapses`, `histogram` or `weights`: which arrays it has.
    pub kind: &'static str,
    /// Of the values: `V`.
    pub unit: String,
    /// First and past-last element of the population, where it is of one.
    pub elements: Option<(usize, usize)>,
    /// Within the folder: `coba/exc.v.npz`.
    pub file: String,
}

/// Takes the recordings of an experiment into a folder as they are made.
pub struct Recorder<'f> {
    folder: &'f mut NewFolder,
    program: &'f Program,
    /// Of each probe.
    kept: Vec<Kept>,
    /// Where files grow, if not in the folder.
    into: Option<PathBuf>,
}

/// A recording under way.
struct Kept {
    /// Within the folder, without its end: `coba/exc.v`.
    stem: String,
    /// The arrays that grow, by name.
    arrays: BTreeMap<&'static str, Growing>,
    /// Whether what is known beside them has been written.
    begun: bool,
}

impl<'f> Recorder<'f> {
    /// Nothing is recorded yet. A file that is whole is named as the recording; while it grows it is a folder, `exc.v.part`.
    /// What has `begun` is gone on with.
    pub fn begin(folder: &'f mut NewFolder, program: &'f Program, begun: Begun) -> Result<Self, Diagnostic> {
        let (mut kept, mut taken) = (Vec::new(), BTreeSet::new());
        for probe in &program.probes {
            let first = format!("{}/{}", plain(&program.name), plain(&probe.name));
            let mut stem = first.clone();
            let mut number = 1;
            // Two probes may record parts of the same signal.
            while !taken.insert(stem.clone()) {
                number += 1;
                stem = format!("{first}_{number}");
            }
            kept.push(Kept { stem, arrays: BTreeMap::new(), begun: false });
        }
        let Begun { numbers, from, into } = begun;
        if let Some(from) = from.as_ref().filter(|from| !numbers.is_empty() && !from.is_dir()) {
            let message = format!("the run of this checkpoint has ended: {} became its results", from.display());
            let ended = Diagnostic::placeless(Code::E0709, message);
            return Err(ended.with_help("look into the folder of its --out; run from the start, without --resume"));
        }
        let mut recorder = Recorder { folder, program, kept, into };
        for at in 0..recorder.kept.len() {
            for (name, stored) in recorder.arrays() {
                let file = format!("{}.part/{name}", recorder.kept[at].stem);
                let (Some(&numbers), Some(from)) = (numbers.get(&file), &from) else { continue };
                let from = from.join(format!("{file}.npy"));
                let resumed = recorder.place(&file).and_then(|path| Growing::resume(&from, &path, stored, numbers));
                let growing = resumed.map_err(|error| {
                    let message = format!("cannot go on with the recordings in {}: {error}", from.display());
                    let lost = Diagnostic::placeless(Code::E0710, message);
                    lost.with_help("they stand beside the checkpoint until the run has ended; run from the start, without --resume")
                })?;
                recorder.kept[at].arrays.insert(name, growing);
            }
        }
        Ok(recorder)
    }

    /// The arrays that grow, and how their numbers are stored.
    fn arrays(&self) -> [(&'static str, Stored); 6] {
        let values = match self.program.precision {
            Precision::F32 => Stored::F32,
            Precision::F64 => Stored::F64,
        };
        let [counts, edges] = [("counts", Stored::F64), ("edges", Stored::F64)];
        [("neuron", Stored::U32), ("step", Stored::U64), ("time", Stored::F64), ("values", values), counts, edges]
    }

    /// Where a file grows.
    fn place(&self, name: &str) -> Result<PathBuf, Error> {
        let name = format!("{name}.npy");
        let Some(into) = &self.into else { return self.folder.place(&name) };
        let file = into.join(name);
        file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        Ok(file)
    }

    /// Numbers of each file, by its name without its end.
    pub fn numbers(&self) -> BTreeMap<String, u64> {
        let of = |kept: &Kept| {
            let file = |(name, growing): (&&str, &Growing)| (format!("{}.part/{name}", kept.stem), growing.numbers());
            kept.arrays.iter().map(file).collect::<Vec<_>>()
        };
        self.kept.iter().flat_map(of).collect()
    }

    /// Adds what was recorded since the last time, one recording for each probe; what is there can be read from then on.
    pub fn take(&mut self, recordings: &[Recording]) -> Result<(), Diagnostic> {
        // What numbers are stands there before them.
        for (at, recording) in recordings.iter().enumerate().take(self.kept.len()) {
            self.begin_one(at, recording)?;
        }
        let known = self.arrays();
        for (at, recording) in recordings.iter().enumerate().take(self.kept.len()) {
            let folder = format!("{}.part", self.kept[at].stem);
            let mut add = |name: &'static str, width, numbers: &mut dyn ExactSizeIterator<Item = f64>| {
                if !self.kept[at].arrays.contains_key(name) {
                    let path = self.place(&format!("{folder}/{name}"))?;
                    for (_, stored) in known.iter().filter(|(known, _)| *known == name) {
                        self.kept[at].arrays.insert(name, Growing::create(&path, *stored, width)?);
                    }
                }
                let Some(growing) = self.kept[at].arrays.get_mut(name) else { return Ok(()) };
                growing.append(numbers)?;
                growing.flush()
            };
            let done = match &recording.values {
                Recorded::Spikes { neuron, step, .. } if !neuron.is_empty() => {
                    add("neuron", None, &mut neuron.iter().map(|&neuron| f64::from(neuron)))
                        .and_then(|()| add("step", None, &mut step.iter().map(|&step| step as f64)))
                }
                Recorded::Values { times, data, .. } | Recorded::Synapses { times, data, .. } if !times.is_empty() => {
                    let width = Some(data.len() / times.len());
                    add("time", None, &mut times.iter().copied())
                        .and_then(|()| add("values", width, &mut data.iter().copied()))
                }
                Recorded::Histogram { times, bins, counts, edges } if !times.is_empty() => {
                    add("time", None, &mut times.iter().copied())
                        .and_then(|()| add("counts", Some(*bins), &mut counts.iter().copied()))
                        .and_then(|()| add("edges", Some(bins + 1), &mut edges.iter().copied()))
                }
                Recorded::Spikes { .. }
                | Recorded::Values { .. }
                | Recorded::Synapses { .. }
                | Recorded::Histogram { .. } => Ok(()),
            };
            done.map_err(|error| cannot_write(folder.as_ref(), &error))?;
        }
        Ok(())
    }

    /// Writes what is known of a recording, once.
    fn begin_one(&mut self, at: usize, recording: &Recording) -> Result<(), Diagnostic> {
        if self.kept[at].begun {
            return Ok(());
        }
        let folder = format!("{}.part", self.kept[at].stem);
        let here = |name: &str| self.kept[at].arrays.contains_key(name);
        let known = self.known_of(at, recording).into_iter().filter(|(name, _)| !here(name));
        let mut written = known
            .map(|(name, bytes)| self.place(&format!("{folder}/{name}")).and_then(|path| std::fs::write(path, bytes)));
        written.try_for_each(|one| one).map_err(|error| cannot_write(folder.as_ref(), &error))?;
        self.kept[at].begun = true;
        Ok(())
    }

    /// What is known of a recording beside its numbers.
    fn known_of(&self, at: usize, recording: &Recording) -> Vec<(&'static str, Vec<u8>)> {
        // Outputs are counted, not timed.
        let time = if matches!(self.program.probes[at].probed, Probed::Output(_)) { "1" } else { "s" };
        known(recording, time)
    }

    /// Adds the rest, and makes a file of each recording.
    pub fn finish(mut self, results: &Results) -> Result<Vec<Output>, Diagnostic> {
        self.take(&results.recordings)?;
        let mut outputs = Vec::new();
        let of = results.recordings.iter().enumerate();
        let known: Vec<_> = of.map(|(at, recording)| self.known_of(at, recording)).collect();
        for ((kept, recording), known) in self.kept.into_iter().zip(&results.recordings).zip(known) {
            let file = format!("{}.npz", kept.stem);
            let place = self.folder.place(&file).map_err(|error| cannot_write(file.as_ref(), &error))?;
            let written = npz(&place, known, kept.arrays);
            let gone = self.folder.discard(&format!("{}.part", kept.stem));
            written.and(gone).map_err(|error| cannot_write(file.as_ref(), &error))?;
            self.folder.keep(&file);
            let (name, unit, kind) = (recording.name.clone(), recording.unit.clone(), kind(recording));
            outputs.push(Output { name, kind, unit, elements: recording.elements, file });
        }
        if !results.learned.is_empty() {
            let file = format!("{}/learned.safetensors", plain(&self.program.name));
            let bytes = safetensors(&results.learned, self.program.precision)
                .map_err(|error| cannot_write(file.as_ref(), &error))?;
            self.folder.add(&file, &bytes)?;
            let (name, unit) = (String::from("learned"), String::new());
            outputs.push(Output { name, kind: "weights", unit, elements: None, file });
        }
        Ok(outputs)
    }
}

/// In the precision of the run, as `load` takes them.
fn safetensors(tensors: &[Tensor], precision: Precision) -> Result<Vec<u8>, Error> {
    let bytes = |tensor: &Tensor| -> Vec<u8> {
        let values = (0..tensor.data.len()).map(|at| tensor.data.get(at));
        match precision {
            Precision::F32 => values.flat_map(|value| (value as f32).to_le_bytes()).collect(),
            Precision::F64 => values.flat_map(f64::to_le_bytes).collect(),
        }
    };
    let dtype = match precision {
        Precision::F32 => Dtype::F32,
        Precision::F64 => Dtype::F64,
    };
    let bytes: Vec<Vec<u8>> = tensors.iter().map(bytes).collect();
    let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        let view = TensorView::new(dtype, tensor.shape.clone(), bytes)?;
        Ok((tensor.name.clone(), view))
    });
    let views: Result<Vec<_>, SafeTensorError> = views.collect();
    views.and_then(|views| serialize(views, None)).map_err(Error::other)
}

/// A name that any file system takes.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "._-[]".contains(c) { c } else { '_' }).collect()
}

fn kind(recording: &Recording) -> &'static str {
    match recording.values {
        Recorded::Spikes { .. } => "spikes",
        Recorded::Values { .. } => "values",
        Recorded::Synapses { .. } => "synapses",
        Recorded::Histogram { .. } => "histogram",
    }
}

/// The arrays of a recording, of which this gives all that is known without its numbers, and those empty: spikes as `neuron` and `step` (and
/// `dt`), values as `values` [time, element], `time` and `index` (of the elements in their population), synapses as `source`, `target`,
/// `time` and `values` [time, synapse], histograms as `time`, `counts` [time, bin] and `edges` [time, bin + 1]; and of each `units`, pairs
/// of an array's name and its unit.
fn known(recording: &Recording, time: &str) -> Vec<(&'static str, Vec<u8>)> {
    let unit = if recording.unit.is_empty() { "1" } else { &recording.unit };
    let empty = |descr, name, width: Option<usize>| {
        let shape = width.map_or_else(|| String::from("(0,)"), |width| format!("(0, {width})"));
        (name, header(descr, &shape))
    };
    let list = |name, descr, len: usize, bytes: &mut dyn Iterator<Item = u8>| {
        (name, header(descr, &format!("({len},)")).into_iter().chain(bytes).collect())
    };
    let indices = |name, all: &[u32]| list(name, "<u4", all.len(), &mut all.iter().flat_map(|at| at.to_le_bytes()));
    let (mut arrays, units) = match &recording.values {
        Recorded::Spikes { dt, .. } => {
            let step = ("dt", header("<f8", "()").into_iter().chain(dt.to_le_bytes()).collect());
            let arrays = vec![empty("<u4", "neuron", None), empty("<u8", "step", None), step];
            (arrays, vec![("neuron", "1"), ("step", "dt"), ("dt", "s")])
        }
        Recorded::Values { elements, .. } => {
            let mut arrays = vec![empty("<f8", "time", None), empty("<f8", "values", Some(*elements))];
            if let Some((first, end)) = recording.elements.filter(|(first, end)| end - first == *elements) {
                let mut bytes = (first as u64..end as u64).flat_map(u64::to_le_bytes);
                arrays.push(list("index", "<u8", *elements, &mut bytes));
            }
            (arrays, vec![("time", time), ("values", unit)])
        }
        Recorded::Synapses { source, target, .. } => {
            let numbers = [empty("<f8", "time", None), empty("<f8", "values", Some(source.len()))];
            let ends = [indices("source", source), indices("target", target)];
            (ends.into_iter().chain(numbers).collect(), vec![("time", time), ("values", unit)])
        }
        Recorded::Histogram { bins, .. } => {
            let [counts, edges] = [("counts", *bins), ("edges", bins + 1)].map(|(name, n)| empty("<f8", name, Some(n)));
            (vec![empty("<f8", "time", None), counts, edges], vec![("time", time), ("counts", "1"), ("edges", unit)])
        }
    };
    arrays.push(("units", text(&units)));
    arrays
}

/// Pairs of text as numpy has them: four bytes a character, all of one length. `dt` is the step that `step` counts.
fn text(pairs: &[(&str, &str)]) -> Vec<u8> {
    let texts: Vec<&str> = pairs.iter().flat_map(|&(name, unit)| [name, unit]).collect();
    let longest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let pad = |text: &&str| text.chars().map(u32::from).chain(std::iter::repeat(0)).take(longest).collect::<Vec<_>>();
    let bytes = texts.iter().flat_map(pad).flat_map(u32::to_le_bytes);
    header(&format!("<U{longest}"), &format!("({}, 2)", pairs.len())).into_iter().chain(bytes).collect()
}

/// One file of what is known and of what grew.
fn npz(file: &Path, known: Vec<(&'static str, Vec<u8>)>, grown: BTreeMap<&'static str, Growing>) -> Result<(), Error> {
    let mut archive = Archive(ZipWriter::new(BufWriter::new(File::create(file)?)));
    for (name, bytes) in known.into_iter().filter(|(name, _)| !grown.contains_key(name)) {
        archive.add(name, bytes.len() as u64, &mut &bytes[..])?;
    }
    for (name, growing) in grown {
        let whole = growing.finish()?;
        let mut whole = File::open(whole)?;
        let bytes = whole.metadata()?.len();
        archive.add(name, bytes, &mut whole)?;
    }
    archive.0.finish()?.flush()
}

struct Archive(ZipWriter<BufWriter<File>>);

impl Archive {
    /// Adds an npy file, without a time of writing: the same run gives the same bytes.
    fn add(&mut self, name: &str, bytes: u64, from: &mut dyn Read) -> Result<(), Error> {
        let options = FileOptions::default().compression_method(CompressionMethod::Stored);
        let options = options.large_file(bytes >= u64::from(u32::MAX) / 2).last_modified_time(DateTime::default());
        self.0.start_file(format!("{name}.npy"), options)?;
        copy(from, &mut self.0).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_read_back() {
        let values = Recorded::Values { times: vec![0.5], elements: 3, data: vec![4., 5., 6.] };
        let (name, unit) = (String::from("a/b"), String::from("V"));
        let place = std::env::temp_dir().join(format!("nmc-recording-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        let mut values_so_far = Growing::create(&place.join("values.npy"), Stored::F64, Some(3)).unwrap();
        values_so_far.append([1., 2., 3., 4., 5., 6.].into_iter()).unwrap();
        let mut times = Growing::create(&place.join("time.npy"), Stored::F64, None).unwrap();
        times.append([0.0, 0.5].into_iter()).unwrap();
        let grown = BTreeMap::from([("values", values_so_far), ("time", times)]);
        let file = place.join("b.npz");
        let recording = Recording { name, unit, elements: Some((4, 7)), values };
        npz(&file, known(&recording, "s"), grown).unwrap();
        assert_eq!((kind(&recording), plain("a/b").as_str()), ("values", "a_b"));
        let mut archive = npyz::npz::NpzArchive::new(std::io::BufReader::new(File::open(&file).unwrap())).unwrap();
        assert_eq!(archive.zip_archive().by_name("values.npy").unwrap().last_modified().year(), 1980);
        let array = archive.by_name("values").unwrap().unwrap();
        assert_eq!(array.shape(), [2, 3]);
        assert_eq!(array.into_vec::<f64>().unwrap(), [1., 2., 3., 4., 5., 6.]);
        // As numpy lays out text: four bytes a character, the rest zeros.
        let mut bytes = Vec::new();
        archive.zip_archive().by_name("units.npy").unwrap().read_to_end(&mut bytes).unwrap();
        let letters: Vec<char> = bytes[256..]
            .chunks(4)
            .map(|c| char::from_u32(u32::from_le_bytes(c.try_into().unwrap())).unwrap())
            .collect();
        let words = letters.chunks(6).map(|word| word.iter().filter(|c| **c != '\0').collect::<String>());
        assert_eq!(words.collect::<Vec<_>>(), ["time", "s", "values", "V"]);
        assert!(String::from_utf8_lossy(&bytes[..256]).contains("'<U6', 'fortran_order': False, 'shape': (2, 2), "));
        let index = archive.by_name("index").unwrap().unwrap();
        assert_eq!(index.into_vec::<u64>().unwrap(), [4, 5, 6]);
        std::fs::remove_dir_all(&place).unwrap();
    }
}
