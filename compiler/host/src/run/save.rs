//! Recordings as npz files, one each, and learned weights as safetensors, for `--out`; while a run goes on, as npy files that grow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Error, Write, copy};
use std::path::{Path, PathBuf};

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{Precision, Probed, Program, Tensor};
use nmc_runtime::{Recorded, Recording, Results};
use npyz::npz::NpzWriter;
use npyz::zip::write::FileOptions;
use npyz::zip::{CompressionMethod, DateTime};
use npyz::{AutoSerialize, WriterBuilder};
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
            kept.push(Kept { stem, arrays: BTreeMap::new() });
        }
        let Begun { numbers, from, into } = begun;
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

    /// Adds the rest, and makes a file of each recording.
    pub fn finish(mut self, results: &Results) -> Result<Vec<Output>, Diagnostic> {
        self.take(&results.recordings)?;
        let mut outputs = Vec::new();
        let probes = self.program.probes.iter();
        for ((kept, recording), probe) in self.kept.into_iter().zip(&results.recordings).zip(probes) {
            let file = format!("{}.npz", kept.stem);
            let place = self.folder.place(&file).map_err(|error| cannot_write(file.as_ref(), &error))?;
            // Outputs are counted, not timed.
            let time = if matches!(probe.probed, Probed::Output(_)) { "1" } else { "s" };
            let written = npz(&place, recording, time, kept.arrays);
            let gone = self.folder.discard(&format!("{}.part", kept.stem));
            let kind =
                written.and_then(|kind| gone.map(|()| kind)).map_err(|error| cannot_write(file.as_ref(), &error))?;
            self.folder.keep(&file);
            let (name, unit) = (recording.name.clone(), recording.unit.clone());
            outputs.push(Output { name, kind, unit, elements: recording.elements, file });
        }
        if !results.learned.is_empty() {
            let file = format!("{}/learned.safetensors", plain(&self.program.name));
            let bytes = safetensors(&results.learned).map_err(|error| cannot_write(file.as_ref(), &error))?;
            self.folder.add(&file, &bytes)?;
            let (name, unit) = (String::from("learned"), String::new());
            outputs.push(Output { name, kind: "weights", unit, elements: None, file });
        }
        Ok(outputs)
    }
}

/// In single precision, as `load` takes them.
fn safetensors(tensors: &[Tensor]) -> Result<Vec<u8>, Error> {
    let single =
        |tensor: &Tensor| (0..tensor.data.len()).flat_map(|i| (tensor.data.get(i) as f32).to_le_bytes()).collect();
    let bytes: Vec<Vec<u8>> = tensors.iter().map(single).collect();
    let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?;
        Ok((tensor.name.clone(), view))
    });
    let views: Result<Vec<_>, SafeTensorError> = views.collect();
    views.and_then(|views| serialize(views, None)).map_err(Error::other)
}

/// A name that any file system takes.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "._-[]".contains(c) { c } else { '_' }).collect()
}

/// The arrays of a recording: spikes as `neuron` and `step` (and `dt`), values as `values` [time, element], `time` and `index` (of the
/// elements in their population), synapses as `source`, `target`, `time` and `values` [time, synapse], histograms as `time`, `counts`
/// [time, bin] and `edges` [time, bin + 1]; and of each `units`, pairs of an array's name and its unit.
fn npz(
    file: &Path,
    recording: &Recording,
    time: &str,
    grown: BTreeMap<&'static str, Growing>,
) -> Result<&'static str, Error> {
    let mut archive = Archive(NpzWriter::new(BufWriter::new(File::create(file)?)));
    let whole = |name: &str| grown.contains_key(name);
    let kind = match &recording.values {
        Recorded::Spikes { dt, .. } => {
            if !whole("neuron") {
                archive.add("neuron", &[0], &[0_u32; 0])?;
                archive.add("step", &[0], &[0_u64; 0])?;
            }
            archive.add("dt", &[], &[*dt])?;
            "spikes"
        }
        Recorded::Values { elements, .. } => {
            if !whole("time") {
                archive.add("time", &[0], &[0.0; 0])?;
                archive.add("values", &[0, *elements], &[0.0; 0])?;
            }
            if let Some((first, end)) = recording.elements.filter(|(first, end)| end - first == *elements) {
                let index: Vec<u64> = (first as u64..end as u64).collect();
                archive.add("index", &[index.len()], &index)?;
            }
            "values"
        }
        Recorded::Synapses { source, target, .. } => {
            archive.add("source", &[source.len()], source)?;
            archive.add("target", &[target.len()], target)?;
            if !whole("time") {
                archive.add("time", &[0], &[0.0; 0])?;
                archive.add("values", &[0, source.len()], &[0.0; 0])?;
            }
            "synapses"
        }
        Recorded::Histogram { bins, .. } => {
            if !whole("time") {
                archive.add("time", &[0], &[0.0; 0])?;
                archive.add("counts", &[0, *bins], &[0.0; 0])?;
                archive.add("edges", &[0, bins + 1], &[0.0; 0])?;
            }
            "histogram"
        }
    };
    archive.units(kind, time, &recording.unit)?;
    for (name, growing) in grown {
        archive.copy(name, &growing.finish()?)?;
    }
    archive.0.zip_writer().finish()?.flush()?;
    Ok(kind)
}

struct Archive(NpzWriter<BufWriter<File>>);

/// Without a time of writing: the same run gives the same bytes.
fn as_it_is(bytes: u64) -> FileOptions {
    let options = FileOptions::default().compression_method(CompressionMethod::Stored);
    options.large_file(bytes >= u64::from(u32::MAX) / 2).last_modified_time(DateTime::default())
}

impl Archive {
    fn add<T: AutoSerialize + Copy>(&mut self, name: &str, shape: &[usize], values: &[T]) -> Result<(), Error> {
        let shape: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
        let options = as_it_is(size_of_val(values) as u64);
        let mut array = self.0.array(name, options)?.default_dtype().shape(&shape).begin_nd()?;
        array.extend(values.iter().copied())?;
        array.finish()
    }

    /// Adds text, [array, its name and its unit], as numpy has it: four bytes a character, all of one length. `dt` is the step that `step` counts.
    fn units(&mut self, kind: &str, time: &str, unit: &str) -> Result<(), Error> {
        let unit = if unit.is_empty() { "1" } else { unit };
        let units = match kind {
            "spikes" => vec![("neuron", "1"), ("step", "dt"), ("dt", "s")],
            "histogram" => vec![("time", time), ("counts", "1"), ("edges", unit)],
            _ => vec![("time", time), ("values", unit)],
        };
        let texts: Vec<&str> = units.iter().flat_map(|&(name, unit)| [name, unit]).collect();
        let longest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        let pad =
            |text: &&str| text.chars().map(u32::from).chain(std::iter::repeat(0)).take(longest).collect::<Vec<_>>();
        let bytes: Vec<u8> = texts.iter().flat_map(pad).flat_map(u32::to_le_bytes).collect();
        let zip = self.0.zip_writer();
        zip.start_file("units.npy", as_it_is(bytes.len() as u64))?;
        zip.write_all(&header(&format!("<U{longest}"), &format!("({}, 2)", units.len())))?;
        zip.write_all(&bytes)
    }

    /// Adds an npy file.
    fn copy(&mut self, name: &str, file: &Path) -> Result<(), Error> {
        let mut file = File::open(file)?;
        let zip = self.0.zip_writer();
        zip.start_file(format!("{name}.npy"), as_it_is(file.metadata()?.len()))?;
        copy(&mut file, zip).map(|_| ())
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
        let kind = npz(&file, &Recording { name, unit, elements: Some((4, 7)), values }, "s", grown).unwrap();
        assert_eq!((kind, plain("a/b").as_str()), ("values", "a_b"));
        let mut archive = npyz::npz::NpzArchive::new(std::io::BufReader::new(File::open(&file).unwrap())).unwrap();
        assert_eq!(archive.zip_archive().by_name("values.npy").unwrap().last_modified().year(), 1980);
        let array = archive.by_name("values").unwrap().unwrap();
        assert_eq!(array.shape(), [2, 3]);
        assert_eq!(array.into_vec::<f64>().unwrap(), [1., 2., 3., 4., 5., 6.]);
        // As numpy lays out text: four bytes a character, the rest zeros.
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut archive.zip_archive().by_name("units.npy").unwrap(), &mut bytes).unwrap();
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
