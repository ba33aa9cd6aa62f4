//! Data files: npz, npy, safetensors, csv, wav and aedat. Names and shapes are read at once, numbers where they are needed.

mod aedat;
mod aedat4;
mod csv;
mod numpy;
mod safetensors;
mod wav;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use nmc_compiler::files::{DataFile, FileProblem};

use crate::disk;

/// The most numbers an array may have.
const MOST_NUMBERS: u64 = 1 << 31;

/// Looks into a data file, by the end of its name. What is wrong with it is one sentence.
pub fn read(file: &Path) -> Result<DataFile, FileProblem> {
    if !file.exists() {
        return Err(FileProblem::NotFound(format!("there is no file {}", file.display())));
    }
    let kind = file.extension().map_or_else(String::new, |end| end.to_string_lossy().to_lowercase());
    let read = match kind.as_str() {
        "npz" => numpy::npz(file),
        "npy" => numpy::npy(file),
        "safetensors" => safetensors::read(file),
        "csv" => csv::read(file),
        "wav" => wav::read(file),
        "aedat" | "aedat2" | "aedat4" => aedat::read(file),
        _ => Err(String::from("its name must end in npz, npy, safetensors, csv, wav, aedat or aedat4")),
    };
    read.map_err(|problem| unreadable(file, &problem))
}

fn unreadable(file: &Path, problem: &str) -> FileProblem {
    FileProblem::Unreadable(format!("{} cannot be read: {problem}", file.display()))
}

fn open(file: &Path) -> Result<BufReader<File>, String> {
    let problem = |error: std::io::Error| error.to_string();
    let about = file.metadata().map_err(problem)?;
    if about.is_dir() {
        return Err(String::from("it is a folder"));
    }
    File::open(file).map(BufReader::new).map_err(problem)
}

/// How many numbers a shape holds, if that can be: `size` bytes each.
fn numbers(shape: &[u64], size: usize) -> Result<u64, String> {
    let len = shape.iter().try_fold(1_u64, |product, &size| product.checked_mul(size));
    let len = len.filter(|len| *len <= MOST_NUMBERS);
    let len = len.ok_or_else(|| format!("{shape:?} are more numbers than can be held"))?;
    let (bytes, free) = (len * size as u64, disk::memory());
    if bytes > free {
        return Err(format!("{shape:?} takes {} MB of memory, {} MB are free", bytes >> 20, free >> 20));
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use nmc_compiler::files::Stored;
    use nmc_program::TensorData;
    use npyz::zip::{ZipWriter, write::FileOptions};
    use npyz::{Order, WriterBuilder};

    use super::*;

    fn written(name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("nmc-data-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(name);
        std::fs::write(&file, bytes).unwrap();
        file
    }

    fn example(name: &str) -> Vec<u8> {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data").join(name)).unwrap()
    }

    #[test]
    fn whole_files_are_read_and_cut_ones_refused() {
        for (name, array, shape) in
            [("digits_mlp.npz", "w1", vec![64, 32]), ("mnist_mlp.safetensors", "fc1.weight", vec![256, 784])]
        {
            let bytes = example(name);
            let file = read(&written(name, &bytes)).unwrap();
            let stored = file.arrays.iter().find(|stored| stored.name == array).unwrap();
            assert_eq!(stored.shape, Ok(shape.clone()));
            assert_eq!(stored.tensor().unwrap().data.len(), shape.iter().product::<usize>());
            for keep in [0, 1, 7, 100, bytes.len() / 2, bytes.len() - 1] {
                let cut = read(&written(&format!("cut{keep}_{name}"), &bytes[..keep]));
                assert!(matches!(cut, Err(FileProblem::Unreadable(_))), "{name} cut to {keep}");
            }
            // A byte changed anywhere gives another array or a sentence, never a panic.
            for at in (0..bytes.len()).step_by(bytes.len() / 40) {
                let mut changed = bytes.clone();
                changed[at] ^= 0xff;
                let changed = read(&written(&format!("changed_{name}"), &changed));
                let _ = changed.map(|file| file.arrays.iter().map(Stored::tensor).collect::<Vec<_>>());
            }
        }
    }

    /// 16 bits of two channels, and floats of one. Oracle: what was written.
    #[test]
    fn sound_is_read() {
        for (bits, format, channels) in [(16, hound::SampleFormat::Int, 2), (32, hound::SampleFormat::Float, 1)] {
            let file = written(&format!("sound{bits}.wav"), &[]);
            let spec = hound::WavSpec { channels, sample_rate: 8000, bits_per_sample: bits, sample_format: format };
            let mut writer = hound::WavWriter::create(&file, spec).unwrap();
            for at in 0..6_i16 {
                match format {
                    hound::SampleFormat::Int => writer.write_sample(at * -4096).unwrap(),
                    hound::SampleFormat::Float => writer.write_sample(f32::from(at) * -0.125).unwrap(),
                }
            }
            writer.finalize().unwrap();
            let sound = read(&file).unwrap();
            let array = |name: &str| sound.arrays.iter().find(|array| array.name == name).unwrap().tensor().unwrap();
            let samples = array("samples");
            assert_eq!(samples.shape, [6 / usize::from(channels), usize::from(channels)]);
            assert_eq!(
                (0..6).map(|at| samples.data.get(at)).collect::<Vec<_>>(),
                [0.0, -0.125, -0.25, -0.375, -0.5, -0.625]
            );
            assert_eq!(array("rate").data.get(0), 8000.0);
            let bytes = std::fs::read(&file).unwrap();
            for keep in 0..bytes.len() {
                assert!(read(&written("cut.wav", &bytes[..keep])).is_err(), "{keep}");
            }
        }
    }

    /// An npy file of the numbers 0, 1, 2, … as they are stored.
    fn counting(shape: &[u64], order: Order) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut array =
            npyz::WriteOptions::new().default_dtype().shape(shape).order(order).writer(&mut bytes).begin_nd().unwrap();
        array.extend((0..shape.iter().product()).map(|number: u64| number as f32)).unwrap();
        array.finish().unwrap();
        bytes
    }

    #[test]
    fn arrays_stored_by_columns_are_read_by_rows() {
        // [a, b, c] of the first axis running fastest is a + 2 b + 6 c.
        let file = read(&written("fortran.npy", &counting(&[2, 3, 4], Order::Fortran))).unwrap();
        let expected = (0..2).flat_map(|a| (0..3).flat_map(move |b| (0..4).map(move |c| (a + 2 * b + 6 * c) as f32)));
        assert_eq!(file.arrays[0].tensor().unwrap().data, TensorData::F32(expected.collect()));
        let file = read(&written("c.npy", &counting(&[2, 3, 4], Order::C))).unwrap();
        assert_eq!(file.arrays[0].tensor().unwrap().data, TensorData::F32((0..24).map(|x| x as f32).collect()));
    }

    #[test]
    fn one_bad_array_leaves_the_others_of_its_file() {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let good = counting(&[2, 2], Order::C);
        let (mut long, mut lying) = (good.clone(), counting(&[3, 3], Order::C));
        long.extend([0; 8]);
        lying.truncate(good.len());
        for (name, bytes) in [("good.npy", &good), ("long.npy", &long), ("lying.npy", &lying)] {
            archive.start_file(name, FileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        }
        let file = read(&written("mixed.npz", &archive.finish().unwrap().into_inner())).unwrap();
        let whole = |stored: &Stored| (stored.name.clone(), stored.shape.is_ok() && stored.tensor().is_ok());
        let whole: Vec<_> = file.arrays.iter().map(whole).collect();
        assert_eq!(whole, [("good", true), ("long", false), ("lying", false)].map(|(name, is)| (name.to_string(), is)));
    }

    #[test]
    fn csv_has_columns_or_a_matrix() {
        let named = read(&written("a.csv", b"t, v\n1, 2\n3, 4\n")).unwrap();
        assert_eq!(named.arrays[1].tensor().unwrap().data, TensorData::F64(vec![2.0, 4.0]));
        let matrix = read(&written("b.csv", b"1,2\n3,4\n")).unwrap();
        assert_eq!(matrix.arrays[0].shape, Ok(vec![2, 2]));
        assert!(matches!(read(&written("c.csv", b"1,2\n3\n")), Err(FileProblem::Unreadable(_))));
        assert!(matches!(read(Path::new("/nowhere.npz")), Err(FileProblem::NotFound(_))));
    }
}
