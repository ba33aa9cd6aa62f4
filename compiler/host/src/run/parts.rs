//! Recordings on disk as they are made: an npy file for each array, which any reader opens with the rows that were flushed last.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Error, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes before the first row. The header is written anew with every flush and filled up to here.
const HEAD: usize = 256;

/// Numbers as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    U32,
    U64,
    F32,
    F64,
}

impl Stored {
    fn bytes(self) -> u64 {
        match self {
            Stored::U32 | Stored::F32 => 4,
            Stored::U64 | Stored::F64 => 8,
        }
    }

    /// As numpy calls it.
    fn descr(self) -> &'static str {
        match self {
            Stored::U32 => "<u4",
            Stored::U64 => "<u8",
            Stored::F32 => "<f4",
            Stored::F64 => "<f8",
        }
    }
}

/// Whether two paths lead to the same file or folder.
pub fn is_same(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// What recordings begin with, and where they grow.
#[derive(Debug, Clone, Default)]
pub struct Begun {
    /// Numbers of each file that count, by its name without its end.
    pub numbers: BTreeMap<String, u64>,
    /// The folder that holds them.
    pub from: Option<PathBuf>,
    /// The folder in which they go on; none: that of the results.
    pub into: Option<PathBuf>,
}

/// An array that grows by rows of one shape.
pub struct Growing {
    path: PathBuf,
    file: BufWriter<File>,
    stored: Stored,
    /// Numbers of a row; none: a row is a number.
    width: Option<usize>,
    numbers: u64,
}

impl Growing {
    /// Begins a file without rows.
    pub fn create(path: &Path, stored: Stored, width: Option<usize>) -> Result<Self, Error> {
        let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let mut growing = Growing { path: path.to_path_buf(), file, stored, width, numbers: 0 };
        growing.file.write_all(&growing.header())?;
        Ok(growing)
    }

    /// Goes on with a file of which so many numbers count, in place or as a copy.
    pub fn resume(from: &Path, path: &Path, stored: Stored, numbers: u64) -> Result<Self, Error> {
        let bytes = (HEAD as u64).saturating_add(numbers.saturating_mul(stored.bytes()));
        if !is_same(from, path) {
            let copied = std::io::copy(&mut File::open(from)?.take(bytes), &mut File::create(path)?)?;
            if copied < bytes {
                return Err(Error::other("it is shorter than the checkpoint says"));
            }
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        if file.metadata()?.len() < bytes {
            return Err(Error::other("it is shorter than the checkpoint says"));
        }
        file.set_len(bytes)?;
        let width = npyz::NpyFile::new(BufReader::new(File::open(path)?))?.shape().get(1).map(|&width| width as usize);
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.seek(SeekFrom::End(0))?;
        Ok(Growing { path: path.to_path_buf(), file, stored, width, numbers })
    }

    /// Numbers that are there.
    pub fn numbers(&self) -> u64 {
        self.numbers
    }

    /// Adds numbers behind the last.
    pub fn append(&mut self, numbers: impl ExactSizeIterator<Item = f64>) -> Result<(), Error> {
        self.numbers += numbers.len() as u64;
        for number in numbers {
            match self.stored {
                Stored::U32 => self.file.write_all(&(number as u32).to_le_bytes())?,
                Stored::U64 => self.file.write_all(&(number as u64).to_le_bytes())?,
                Stored::F32 => self.file.write_all(&(number as f32).to_le_bytes())?,
                Stored::F64 => self.file.write_all(&number.to_le_bytes())?,
            }
        }
        Ok(())
    }

    /// From now on a reader sees all rows.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.file.flush()?;
        let end = self.file.stream_position()?;
        let header = self.header();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header)?;
        self.file.seek(SeekFrom::Start(end))?;
        Ok(())
    }

    /// The whole file, flushed.
    pub fn finish(mut self) -> Result<PathBuf, Error> {
        self.flush()?;
        self.file.flush()?;
        Ok(self.path)
    }

    /// Of the whole rows that are there.
    fn header(&self) -> Vec<u8> {
        let shape = match self.width {
            Some(width) => format!("({}, {width})", self.numbers / (width.max(1) as u64)),
            None => format!("({},)", self.numbers),
        };
        header(self.stored.descr(), &shape)
    }
}

/// An npy header, version 1, of numbers or text as numpy calls them.
pub fn header(descr: &str, shape: &str) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((HEAD as u16 - 10).to_le_bytes());
    header.extend(text.bytes());
    header.resize(HEAD - 1, b' ');
    header.push(b'\n');
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Read in between and at the end. Oracle: what was appended, as the reader of npy files has it.
    #[test]
    fn a_growing_array_can_be_read_at_any_time() {
        let path = std::env::temp_dir().join(format!("nmc-growing-{}.npy", std::process::id()));
        for stored in [Stored::U32, Stored::U64, Stored::F32, Stored::F64] {
            let mut growing = Growing::create(&path, stored, Some(3)).unwrap();
            for rows in 1..4 {
                growing.append((rows * 6 - 6..rows * 6).map(f64::from)).unwrap();
                growing.flush().unwrap();
                let read = crate::data::read(&path).unwrap();
                assert_eq!(read.arrays[0].shape, Ok(vec![2 * rows as usize, 3]));
                let tensor = read.arrays[0].tensor().unwrap();
                assert!((0..6 * rows as usize).all(|at| tensor.data.get(at) == at as f64), "{stored:?}");
            }
            growing.finish().unwrap();
        }
        let none = Growing::create(&path, Stored::F64, None).unwrap();
        none.finish().unwrap();
        assert_eq!(crate::data::read(&path).unwrap().arrays[0].shape, Ok(vec![0]));
        std::fs::remove_file(&path).unwrap();
    }
}
