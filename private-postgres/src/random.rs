//! What must not be guessed, or must differ from server to server.

use std::fs::File;
use std::io::Read;

use crate::error::{Error, Result};

fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|source| Error::io("cannot read /dev/urandom", source))?;
    Ok(bytes)
}

/// 128 bits as 32 hexadecimal digits, which need no escape in a URL.
pub(crate) fn password() -> Result<String> {
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes()?)))
}

/// A port below those that the system gives to outgoing connections (from 32,768 on Linux, from 49,152 elsewhere), so
/// that none of these takes it while the server is stopped.
pub(crate) fn port() -> Result<u16> {
    const FIRST: u16 = 10_000;
    const END: u16 = 32_768;
    Ok(FIRST + u16::from_ne_bytes(bytes()?) % (END - FIRST))
}
