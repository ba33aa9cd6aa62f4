//! `.nmx` files: a hardware image on disk. A mark, the format's number, length and checksum, then the image itself.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::Image;

use crate::disk;

/// What every image begins with; the line end and the byte that is no text tell damage by transfer as text.
const MARK: &[u8; 8] = b"nmx\xff\r\n\x1a\n";
/// Mark, format, length, checksum.
const HEAD: usize = 8 + 4 + 8 + 8;

/// Whether a file is meant to be an image: it begins like one, or is called so.
pub fn is_image(file: &Path) -> bool {
    let named = file.extension().is_some_and(|end| end.eq_ignore_ascii_case("nmx"));
    let mut start = [0; MARK.len()];
    named || File::open(file).and_then(|mut file| file.read_exact(&mut start)).is_ok_and(|()| &start == MARK)
}

/// Writes an image, whole or not at all.
pub fn write(file: &Path, image: &Image) -> Result<(), Diagnostic> {
    let failed = |error| Diagnostic::placeless(Code::E0905, format!("cannot write {}: {error}", file.display()));
    let body = postcard::to_stdvec(image).map_err(failed)?;
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.extend(MARK);
    bytes.extend(Image::FORMAT.to_le_bytes());
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(checksum(&body).to_le_bytes());
    bytes.extend(body);
    disk::write(file, &bytes)
}

/// Reads an image and makes sure that it can be run.
pub fn read(file: &Path) -> Result<Image, Diagnostic> {
    let shown = file.display();
    let bytes = disk::bytes(file)?;
    decode(&bytes).map_err(|problem| {
        Diagnostic::placeless(Code::E0702, format!("{shown} is no whole image: {problem}"))
            .with_help("build it again from its source: `nmc build program.nmc`")
    })
}

fn decode(bytes: &[u8]) -> Result<Image, String> {
    let Some((head, body)) = bytes.split_at_checked(HEAD) else { return Err(String::from("it is too short")) };
    if !head.starts_with(MARK) {
        return Err(String::from("it does not begin as an image of nmc does"));
    }
    let field = |from: usize, len: usize| head[from..from + len].iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
    let (format, length, sum) = (field(8, 4), field(12, 8), field(20, 8));
    if format != u64::from(Image::FORMAT) {
        return Err(format!("it has format {format}, this nmc reads format {}", Image::FORMAT));
    }
    if length != body.len() as u64 {
        return Err(format!("{length} bytes were written, {} are there", body.len()));
    }
    if sum != checksum(body) {
        return Err(String::from("its bytes have changed since it was written"));
    }
    let image: Image = postcard::from_bytes(body).map_err(|error| error.to_string())?;
    match image.programs.iter().find_map(|program| program.verify().into_iter().next()) {
        Some(problem) => Err(problem),
        None => Ok(image),
    }
}

/// FNV-1a over words of eight bytes; it tells damage, not intent.
fn checksum(bytes: &[u8]) -> u64 {
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(0xcbf2_9ce4_8422_2325, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, &byte| mix(sum, u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_always_found() {
        let image = Image { format: Image::FORMAT, source: String::from("a.nmc"), programs: Vec::new() };
        let file = std::env::temp_dir().join(format!("nmc-image-{}.nmx", std::process::id()));
        write(&file, &image).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(decode(&bytes), Ok(image));
        for at in 0..bytes.len() {
            assert!(decode(&bytes[..at]).is_err(), "cut to {at}");
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(decode(&changed).is_err(), "changed at {at}");
        }
    }

    #[test]
    fn a_sound_checksum_does_not_excuse_a_wrong_body() {
        let body = [0xff_u8; 40];
        let mut bytes = MARK.to_vec();
        bytes.extend(Image::FORMAT.to_le_bytes());
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(checksum(&body).to_le_bytes());
        bytes.extend(body);
        assert!(decode(&bytes).is_err());
    }
}
