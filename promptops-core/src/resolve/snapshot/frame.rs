//! The outside of a snapshot: what it is, when it was taken, and that it is whole.

use sha2::{Digest, Sha256};

use crate::base::Timestamp;
use crate::base::error::{Error, ErrorKind, Result};

const MAGIC: &[u8; 8] = b"PROMPTOP";
const FORMAT: u32 = 1;
/// Magic, format, time, length of the payload.
pub(super) const HEAD: usize = 8 + 4 + 8 + 8;
/// SHA-256.
const CHECKSUM: usize = 32;

/// An error for a file that is not as it was written.
pub(super) fn refused(what: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "the snapshot is refused and nothing of it is used: {what}; delete it, `write_snapshot` makes a new one"
        ),
    )
}

/// The head of a snapshot that is still to be filled, and to be closed by [`seal`].
pub(super) fn open(taken_at: Timestamp) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(FORMAT.to_be_bytes());
    bytes.extend(taken_at.timestamp_micros().to_be_bytes());
    bytes.extend([0; 8]);
    bytes
}

/// How long what [`open`] began would be, closed now.
pub(super) fn length(bytes: &[u8]) -> u64 {
    (bytes.len() + CHECKSUM) as u64
}

/// Closes what [`open`] began: fills in the length and adds the checksum.
pub(super) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = bytes.len().saturating_sub(HEAD) as u64;
    if let Some(place) = bytes.get_mut(HEAD - 8..HEAD) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    let checksum = Sha256::digest(&bytes);
    bytes.extend(checksum);
    bytes
}

/// Checks the head of a file of this length, before more of it is read.
pub(super) fn check_head(head: &[u8], length: u64) -> Result<()> {
    let begin = &head[..head.len().min(MAGIC.len())];
    if !MAGIC.starts_with(begin) {
        return Err(refused("it does not begin as a snapshot does"));
    }
    let fixed = (HEAD + CHECKSUM) as u64;
    if length < fixed || head.len() < HEAD {
        return Err(refused(format_args!(
            "it has {length} bytes where {fixed} are the least"
        )));
    }
    let payload = number(head, 20);
    if length - fixed != payload {
        return Err(refused(format_args!(
            "it has {length} bytes where its head and {payload} bytes of payload were written"
        )));
    }
    Ok(())
}

/// When it was taken, and the payload of a whole file.
pub(super) fn unseal(bytes: &[u8]) -> Result<(Timestamp, &[u8])> {
    check_head(bytes.get(..HEAD).unwrap_or(bytes), bytes.len() as u64)?;
    let (sealed, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
    if Sha256::digest(sealed).as_slice() != checksum {
        return Err(refused(
            "its checksum does not fit, so that it was changed after it was written",
        ));
    }
    let format = number(sealed, 8) >> 32;
    if format > u64::from(FORMAT) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the snapshot has format {format}, and this release reads {FORMAT}: a newer release wrote it; use that, \
                 or delete the file and `write_snapshot` makes a new one"
            ),
        ));
    }
    let micros = number(sealed, 12).cast_signed();
    match (format, Timestamp::from_timestamp_micros(micros)) {
        (1, Some(taken_at)) => Ok((taken_at, &sealed[HEAD..])),
        _ => Err(refused("its format or its time is none")),
    }
}

/// The number whose eight bytes begin there.
fn number(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    if let Some(found) = bytes.get(at..at + 8) {
        eight.copy_from_slice(found);
    }
    u64::from_be_bytes(eight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> (Timestamp, Vec<u8>) {
        let taken_at = Timestamp::from_timestamp_micros(1_767_225_600_000_001).unwrap();
        let mut bytes = open(taken_at);
        bytes.extend(b"payload");
        (taken_at, seal(bytes))
    }

    #[test]
    fn what_was_sealed_comes_back() {
        let (taken_at, bytes) = sealed();
        assert_eq!(unseal(&bytes).unwrap(), (taken_at, b"payload".as_slice()));
        // Frozen: a file must be readable by every later release.
        assert_eq!(&bytes[..12], b"PROMPTOP\0\0\0\x01");
        assert_eq!(bytes.len(), 28 + 7 + 32);
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_corrupt() {
        let (_, bytes) = sealed();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(
                    unseal(&changed).unwrap_err().kind(),
                    ErrorKind::Corrupt,
                    "byte {at}"
                );
            }
            assert_eq!(
                unseal(&bytes[..at]).unwrap_err().kind(),
                ErrorKind::Corrupt,
                "{at} bytes"
            );
        }
        let mut longer = bytes;
        longer.push(0);
        assert_eq!(unseal(&longer).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
