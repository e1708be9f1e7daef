//! The file of a cassette: a line of JSON that says what it is, and then one for each exchange.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use promptops_core::llm::{Blueprint, Completion, LlmError, LlmErrorKind};
use promptops_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

const FORMAT: &str = "promptops-cassette";
const VERSION: u32 = 1;
/// Largest file that is read.
const MAX_BYTES: u64 = 1 << 30;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
}

/// A question and what came of it. No key and no header has a place in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    pub(super) provider: String,
    /// The model that was asked: the request's, else the client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<String>,
    pub(super) request: Blueprint,
    pub(super) outcome: Outcome,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Completion(Completion),
    Error(RecordedError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedError {
    kind: LlmErrorKind,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    should_retry: Option<bool>,
}

impl Outcome {
    pub(super) fn of(result: &std::result::Result<Completion, LlmError>) -> Self {
        match result {
            Ok(completion) => Self::Completion(completion.clone()),
            Err(error) => Self::Error(RecordedError {
                kind: error.kind(),
                message: match error.kind() {
                    LlmErrorKind::Auth => {
                        "the key was refused (the provider's words are not recorded, since they may \
                                           show a part of it)"
                            .into()
                    }
                    _ => error.message().to_owned(),
                },
                status: error.status(),
                code: error.code().map(ToOwned::to_owned),
                retry_after_ms: error
                    .retry_after()
                    .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
                should_retry: error.should_retry(),
            }),
        }
    }

    pub(super) fn replay(&self, provider: &str) -> std::result::Result<Completion, LlmError> {
        let recorded = match self {
            Self::Completion(completion) => return Ok(completion.clone()),
            Self::Error(recorded) => recorded,
        };
        let mut error = LlmError::new(recorded.kind, provider, recorded.message.as_str());
        if let Some(status) = recorded.status {
            error = error.with_status(status);
        }
        if let Some(code) = &recorded.code {
            error = error.with_code(code.as_str());
        }
        if let Some(wait) = recorded.retry_after_ms {
            error = error.with_retry_after(Duration::from_millis(wait));
        }
        if let Some(retry) = recorded.should_retry {
            error = error.with_should_retry(retry);
        }
        Err(error)
    }
}

/// The line, from 1, on which the exchange with this index is.
pub(super) fn line_of(index: usize) -> usize {
    index + 2
}

/// What a file holds.
pub(super) struct Contents {
    pub(super) exchanges: Vec<Exchange>,
    /// The last line, from 1, when it is torn: it has no end, and is no exchange.
    pub(super) torn_line: Option<usize>,
    /// How many bytes of the file are whole lines, or a last line that lacks but its end.
    whole: usize,
    /// Whether the last whole line lacks its end.
    open: bool,
}

/// Reads a file to its end.
///
/// # Errors
/// [`Corrupt`](ErrorKind::Corrupt) with the number of the line that is not what it should be,
/// [`Unsupported`](ErrorKind::Unsupported) for another version, [`NotFound`](ErrorKind::NotFound) and
/// [`Backend`](ErrorKind::Backend) for a file that cannot be read.
pub(super) fn read(path: &Path) -> Result<Contents> {
    let mut file = File::open(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => failure(
            ErrorKind::NotFound,
            path,
            "there is no such file; record it first",
        ),
        _ => failed(path, "the file cannot be opened", e),
    })?;
    parse(&read_all(&mut file, path)?, path)
}

fn read_all(file: &mut File, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| failed(path, "the file cannot be read", e))?;
    if bytes.len() as u64 > MAX_BYTES {
        let text = "the file is larger than 1 GiB; expected a cassette of less, split it";
        return Err(failure(ErrorKind::Invalid, path, text));
    }
    Ok(bytes)
}

fn parse(bytes: &[u8], path: &Path) -> Result<Contents> {
    let mut contents = Contents {
        exchanges: Vec::new(),
        torn_line: None,
        whole: 0,
        open: false,
    };
    for (i, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let ended = line.ends_with(b"\n");
        let parsed = if i == 0 {
            header(line, path)?
        } else {
            serde_json::from_slice(line).map(|exchange| contents.exchanges.push(exchange))
        };
        match parsed {
            Ok(()) => {
                contents.whole += line.len();
                contents.open = !ended;
            }
            Err(_) if !ended && i > 0 => contents.torn_line = Some(i + 1),
            // What serde says quotes what it found, which is not for everybody's eyes.
            Err(e) => {
                let text = format!(
                    "line {} is no exchange (at column {}); expected JSON with provider, request and outcome: remove \
                     the line, or record anew",
                    i + 1,
                    e.column()
                );
                return Err(failure(ErrorKind::Corrupt, path, &text));
            }
        }
    }
    if bytes.is_empty() {
        return Err(no_header(path));
    }
    Ok(contents)
}

fn header(line: &[u8], path: &Path) -> Result<serde_json::Result<()>> {
    match serde_json::from_slice::<Header>(line) {
        Ok(header) if header.format == FORMAT && header.version == VERSION => Ok(Ok(())),
        Ok(header) if header.format == FORMAT => Err(failure(
            ErrorKind::Unsupported,
            path,
            &format!(
                "the file is a cassette of version {}; expected {VERSION}",
                header.version
            ),
        )),
        _ => Err(no_header(path)),
    }
}

fn no_header(path: &Path) -> Error {
    let text = format!(
        "line 1 does not say that this is a cassette; expected {{\"format\":\"{FORMAT}\",\"version\":{VERSION}}}"
    );
    failure(ErrorKind::Corrupt, path, &text)
}

/// Writes exchanges at the end of a file that nobody else writes.
pub(super) struct Writer {
    file: File,
    /// The length of the file as far as it is whole.
    whole: u64,
    broken: bool,
}

impl Writer {
    /// Writes to what cannot be written to.
    #[cfg(test)]
    pub(super) fn to_read_only(file: File) -> Self {
        Self {
            file,
            whole: 0,
            broken: false,
        }
    }

    /// Makes a file.
    ///
    /// # Errors
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) when there is one, [`Backend`](ErrorKind::Backend) when it cannot be
    /// made.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        let file = file.map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => failure(
                ErrorKind::AlreadyExists,
                path,
                "the file is there already; remove it, or record what is missing in it",
            ),
            _ => failed(path, "the file cannot be made", e),
        })?;
        lock(&file, path)?;
        Self::begin(file, path)
    }

    /// Opens a file, or makes it, and reads what it holds. A torn last line is cut off.
    ///
    /// # Errors
    /// Those of [`read`]; [`Conflict`](ErrorKind::Conflict) when somebody else writes it.
    pub(super) fn open(path: &Path) -> Result<(Self, Contents)> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut file = file.map_err(|e| failed(path, "the file cannot be opened", e))?;
        lock(&file, path)?;
        let bytes = read_all(&mut file, path)?;
        if bytes.is_empty() {
            let contents = Contents {
                exchanges: Vec::new(),
                torn_line: None,
                whole: 0,
                open: false,
            };
            return Ok((Self::begin(file, path)?, contents));
        }
        let contents = parse(&bytes, path)?;
        let mut writer = Self {
            file,
            whole: contents.whole as u64,
            broken: false,
        };
        let mended = writer
            .file
            .set_len(writer.whole)
            .and_then(|()| match contents.open {
                true => writer.append(b"\n".to_vec()),
                false => Ok(()),
            });
        mended.map_err(|e| failed(path, "the end of the file cannot be mended", e))?;
        Ok((writer, contents))
    }

    fn begin(file: File, path: &Path) -> Result<Self> {
        let mut writer = Self {
            file,
            whole: 0,
            broken: false,
        };
        let header = Header {
            format: FORMAT.into(),
            version: VERSION,
        };
        let written = writer.write_line(&header);
        written.map_err(|e| failed(path, "the file cannot be written", e))?;
        Ok(writer)
    }

    /// Writes an exchange, whole, to the operating system: a crash of this process loses none that was written.
    pub(super) fn write(&mut self, exchange: &Exchange) -> io::Result<()> {
        self.write_line(exchange)
    }

    fn write_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.append(line)
    }

    fn append(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other(
                "an exchange before was written in part, and could not be taken back",
            ));
        }
        let written = self.file.write_all(&bytes).and_then(|()| self.file.flush());
        match written {
            Ok(()) => self.whole += bytes.len() as u64,
            Err(_) => self.broken = self.file.set_len(self.whole).is_err(),
        }
        written
    }
}

fn lock(file: &File, path: &Path) -> Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(failure(
            ErrorKind::Conflict,
            path,
            "somebody else records into this file; share one cassette, or record into another",
        )),
        Err(TryLockError::Error(e)) => Err(failed(path, "the file cannot be locked", e)),
    }
}

fn failure(kind: ErrorKind, path: &Path, message: &str) -> Error {
    Error::new(kind, format!("cassette: {message}")).with("path", path.display())
}

fn failed(path: &Path, message: &str, error: io::Error) -> Error {
    failure(ErrorKind::Backend, path, message).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_written_only_in_part_is_taken_back_or_ends_recording() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        let mut writer = Writer::create(&path).unwrap();
        // As if the disk had been full in the middle of a line, and then not any more.
        writer.file.write_all(b"{\"prov").unwrap();
        writer.file.set_len(writer.whole).unwrap();
        writer.write_line(&1).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("}\n1\n"));

        let mut writer = Writer {
            file: File::open(&path).unwrap(),
            ..writer
        };
        assert!(writer.write_line(&2).is_err());
        assert!(writer.broken, "what cannot be taken back is not written after");
        let error = writer.write_line(&3).unwrap_err();
        assert!(error.to_string().contains("could not be taken back"), "{error}");
    }
}
