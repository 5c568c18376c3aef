//! The checksums of a file.

use std::{
    fs::File,
    io::{self, Read, Seek},
};

use model::{Checksum, Digest};
use sha2::{Digest as _, Sha256, Sha512};

/// All checksums of a file.
pub(crate) struct Sums {
    pub(crate) sha256: Digest,
    sha512: String,
}

impl Sums {
    /// Reads a file to its end, and goes back to its start.
    pub(crate) fn of(file: &mut File) -> io::Result<Self> {
        let (mut sha256, mut sha512) = (Sha256::new(), Sha512::new());
        let mut buffer = vec![0; 256 << 10];
        file.rewind()?;
        loop {
            let n = file.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            sha256.update(&buffer[..n]);
            sha512.update(&buffer[..n]);
        }
        file.rewind()?;
        let sha512 = sha512.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Ok(Self { sha256: Digest::from_bytes(&sha256.finalize().into()), sha512 })
    }

    /// The one of the same kind.
    pub(crate) fn like(&self, other: &Checksum) -> Checksum {
        match other {
            Checksum::Sha256(_) => Checksum::Sha256(self.sha256.clone()),
            Checksum::Sha512(_) => Checksum::Sha512(self.sha512.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn files_have_the_sums_that_the_standard_gives() {
        // FIPS 180-4's example "abc".
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        let sums = Sums::of(&mut file).unwrap();
        for text in [
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "DDAF35A193617ABACC417349AE20413112E6FA4E89A97EA20A9EEEE64B55D39A\
             2192992A274FC1A836BA3C23A3FEEBBD454D4423643CE80E2A9AC94FA54CA49F",
        ] {
            let wanted: Checksum = text.parse().unwrap();
            assert_eq!(sums.like(&wanted), wanted);
        }
    }
}
