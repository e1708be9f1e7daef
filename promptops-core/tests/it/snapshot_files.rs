//! The files of snapshots: damage, forgery, bounds, replacing, paths.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use promptops_core::prompt::Draft;
use promptops_core::resolve::ResolveSettings;
use promptops_core::{Error, ErrorKind};
use sha2::{Digest, Sha256};

use crate::faulty::Faulty;
use crate::snapshots::{
    Process, furnish, noon, place, resolve_all, save, snapshot_of_one, start, start_with, text,
};

/// What reading these bytes comes to in a process that knows nothing, and nothing after it.
async fn refusal(process: &Process, path: &Path, bytes: &[u8]) -> Error {
    // A file that is cut and written again may be waited for until it is on the disk.
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
    let error = process.ops.read_snapshot(path).await.unwrap_err();
    assert_eq!(process.ops.cache_stats().entries, 0);
    error
}

#[tokio::test]
async fn no_damage_is_taken_for_a_snapshot() {
    let empty = start(&Faulty::new(), noon());
    let (store, (_directory, path)) = (Faulty::new(), place());
    let process = start(&store, noon());
    let references = furnish(&process).await;
    resolve_all(&process.ops, &references).await;
    process.ops.write_snapshot(&path).await.unwrap();
    let good = fs::read(&path).unwrap();
    let corrupt = |error: Error, what: &str| {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
        for part in ["is refused", "delete it", "prompts.snapshot"] {
            assert!(error.to_string().contains(part), "{what}: {error}");
        }
    };
    let step = good.len() / 300 + 1;
    for at in (0..40)
        .chain((0..good.len()).step_by(step))
        .chain(good.len() - 40..good.len())
    {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        corrupt(refusal(&empty, &path, &bytes).await, &format!("byte {at}"));
    }
    for length in 0..good.len() {
        corrupt(
            refusal(&empty, &path, &good[..length]).await,
            &format!("{length} bytes"),
        );
    }
    let twice = [good.as_slice(), good.as_slice()].concat();
    corrupt(refusal(&empty, &path, &twice).await, "twice");
    corrupt(refusal(&empty, &path, b"").await, "empty");
    corrupt(refusal(&empty, &path, &[b'x'; 10_000]).await, "garbage");
    corrupt(refusal(&empty, &path, b"{\"prompts\": []}").await, "another file");
    corrupt(refusal(&empty, &path, &[0; 10_000]).await, "zeros");
}

/// The same file with another payload and a checksum that fits.
fn forged(good: &[u8], change: impl FnOnce(String) -> String) -> Vec<u8> {
    let payload = String::from_utf8(good[28..good.len() - 32].to_vec()).unwrap();
    let changed = change(payload.clone());
    assert_ne!(payload, changed, "the forgery changes nothing");
    let mut bytes = good[..20].to_vec();
    bytes.extend((changed.len() as u64).to_be_bytes());
    bytes.extend(changed.into_bytes());
    resealed(bytes)
}

fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = Sha256::digest(&bytes);
    bytes.extend(checksum);
    bytes
}

/// Whatever a checksum says of it.
#[tokio::test]
async fn json_that_is_none_is_no_snapshot() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    let process = start(&store, noon());
    save(&process.acme, "plain", Draft::text("zzz")).await;
    text(&process.acme, "plain").await;
    process.ops.write_snapshot(&path).await.unwrap();
    let good = fs::read(&path).unwrap();
    let empty = start(&Faulty::new(), noon());
    let deep = "[".repeat(100_000);
    for broken in ["\"\\ud800\"", "\"\\udc00\"", "1e400", "NaN", "\"", "", &deep] {
        let bytes = forged(&good, |payload| payload.replace("\"zzz\"", broken));
        let error = refusal(&empty, &path, &bytes).await;
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains("line "), "{error}");
    }
}

#[tokio::test]
async fn what_does_not_fit_its_hash_is_refused_whatever_the_checksum_says() {
    let empty = start(&Faulty::new(), noon());
    const CANARY: &str = "c4n4ry";
    let (store, (_directory, path)) = (Faulty::new(), place());
    let process = start(&store, noon());
    let acme = &process.acme;
    save(acme, "safety", Draft::text(format!("{CANARY} be safe"))).await;
    let draft = Draft::text(format!("{CANARY} {{% include \"safety\" %}}")).message(CANARY);
    let first = save(acme, "triage", draft).await;
    save(acme, "plain", Draft::text("zzz")).await;
    for reference in ["triage", "safety", "plain"] {
        text(acme, reference).await;
    }
    process.ops.write_snapshot(&path).await.unwrap();
    let good = fs::read(&path).unwrap();
    type Forgery<'a> = &'a dyn Fn(String) -> String;
    let hash = first.hash.to_string();
    let closure = acme.resolve("triage").await.unwrap().closure_hash().to_string();
    let forgeries: [(&str, Forgery<'_>, &str); 13] = [
        (
            "another content",
            &|s| s.replace("be safe", "be wild"),
            "it was changed",
        ),
        (
            "another closure hash",
            &|s| s.replace(&closure, &format!("sha256:{}", "0".repeat(64))),
            "closure hash",
        ),
        (
            "a snippet under another name",
            &|s| {
                s.replace(
                    "\"reference\":\"safety\",\"tenant\":\"acme\",\"prompt\":\"safety\"",
                    "\"reference\":\"sefaty\",\"tenant\":\"acme\",\"prompt\":\"safety\"",
                )
            },
            "closure hash",
        ),
        (
            "no snippets",
            &|s| {
                let (begin, rest) = s.split_once("\"snippets\":[{").unwrap();
                let (_, end) = rest.split_once("}]").unwrap();
                format!("{begin}\"snippets\":[]{end}")
            },
            "closure hash",
        ),
        (
            "a content that is missing",
            &|s| {
                let is_it = |line: &&str| line.starts_with(&format!("content {hash}"));
                s.lines()
                    .filter(|line| !is_it(line))
                    .map(|line| format!("{line}\n"))
                    .collect()
            },
            "is not in it",
        ),
        (
            "a content that is none",
            &|s| {
                s.replace(
                    &format!("{{\"text\":{{\"template\":\"{CANARY} be"),
                    &format!("{{\"{CANARY}\":{{\"template\":\"{CANARY} be"),
                )
            },
            "cannot be read",
        ),
        (
            "an entry without its prompt",
            &|s| s.replace("\"prompt\":0,", "\"prompt\":900,"),
            "the prompt 900 is not in it",
        ),
        (
            "a tenant that cannot be",
            &|s| {
                s.replace(
                    "entry {\"tenant\":\"acme\"",
                    &format!("entry {{\"tenant\":\"{CANARY} \""),
                )
            },
            "cannot be read",
        ),
        (
            "a reference that is none",
            &|s| s.replace("\"reference\":\"plain\"", "\"reference\":\"Plain!\""),
            "it has no reference",
        ),
        (
            "something that nobody knows",
            &|s| s.replace("\"revision\":null", &format!("\"{CANARY}\":1,\"revision\":null")),
            "cannot be read",
        ),
        (
            "a line of no kind",
            &|s| format!("{s}{CANARY} {CANARY}\n"),
            "its kind is unknown",
        ),
        ("an empty line", &|s| format!("\n{s}"), "line 1: it has no kind"),
        (
            "deep nesting",
            &|s| format!("{s}entry {}\n", "[".repeat(100_000)),
            "cannot be read",
        ),
    ];
    for (what, forge, part) in forgeries {
        let error = refusal(&empty, &path, &forged(&good, forge)).await;
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
        for shown in [format!("{error}"), format!("{error:?}")] {
            assert!(shown.contains(part), "{what}: {shown}");
            assert!(
                !shown.contains(CANARY) && !shown.contains("be wild"),
                "{what}: {shown}"
            );
        }
    }
    let bytes = [&good[..28], b"\xff", &good[29..good.len() - 32]].concat();
    let error = refusal(&empty, &path, &resealed(bytes)).await;
    assert!(error.to_string().contains("it is not text"), "{error}");
}

#[tokio::test]
async fn the_format_is_frozen() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    let process = start(&store, noon());
    save(&process.acme, "safety", Draft::text("Be safe.")).await;
    let draft = Draft::text("{% include \"safety\" %}")
        .message("first")
        .semver("1.0.0");
    save(&process.acme, "triage", draft).await;
    for reference in ["triage@v1", "triage"] {
        text(&process.acme, reference).await;
    }
    process.ops.write_snapshot(&path).await.unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(&bytes[..12], b"PROMPTOP\0\0\0\x01");
    assert_eq!(bytes[12..20], 1_767_225_600_000_000_i64.to_be_bytes());
    let payload = std::str::from_utf8(&bytes[28..bytes.len() - 32]).unwrap();
    assert_eq!(payload, include_str!("../vectors/snapshot.txt"));
}

#[tokio::test]
async fn heads_that_lie_and_newer_formats_are_refused() {
    let empty = start(&Faulty::new(), noon());
    let (store, (_directory, path)) = (Faulty::new(), place());
    snapshot_of_one(&store, &path).await;
    let good = fs::read(&path).unwrap();
    let with = |at: usize, number: &[u8]| {
        let mut bytes = good[..good.len() - 32].to_vec();
        bytes[at..at + number.len()].copy_from_slice(number);
        resealed(bytes)
    };
    for length in [
        0,
        1,
        good.len() as u64,
        u64::from(u32::MAX),
        u64::MAX - 59,
        u64::MAX,
    ] {
        let error = refusal(&empty, &path, &with(20, &length.to_be_bytes())).await;
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{length}");
    }
    for format in [2_u32, 900, u32::MAX] {
        let error = refusal(&empty, &path, &with(8, &format.to_be_bytes())).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let expected = format!("has format {format}, and this release reads 1");
        assert!(error.to_string().contains(&expected), "{error}");
    }
    for bytes in [with(8, &[0; 4]), with(12, &i64::MAX.to_be_bytes())] {
        assert_eq!(refusal(&empty, &path, &bytes).await.kind(), ErrorKind::Corrupt);
    }
}

#[tokio::test]
async fn snapshots_are_bounded_in_both_directions() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    let written = snapshot_of_one(&store, &path).await;
    let mut settings = ResolveSettings::default();
    settings.max_snapshot_bytes = written.bytes;
    let process = start_with(&store, noon(), settings);
    process.ops.read_snapshot(&path).await.unwrap();
    settings.max_snapshot_bytes = written.bytes - 1;
    let process = start_with(&store, noon(), settings);
    let expected = "raise `max_snapshot_bytes`";
    let error = process.ops.read_snapshot(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!(process.ops.cache_stats().entries, 0);
    text(&process.acme, "triage@production").await;
    let error = process.ops.write_snapshot(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!(
        fs::metadata(&path).unwrap().len(),
        written.bytes,
        "it is still the former"
    );
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_never_see_half_a_snapshot() {
    let (store, (directory, path)) = (Faulty::new(), place());
    snapshot_of_one(&store, &path).await;
    let writer = start(&store, noon());
    for i in 0..50 {
        let name = format!("p{i}");
        save(
            &writer.acme,
            &name,
            Draft::text(format!("{i} {}", "x".repeat(2_000))),
        )
        .await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, path, done) = (Arc::clone(&store), path.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut reads = 0;
                while !done.load(Ordering::SeqCst) || reads == 0 {
                    let process = start(&store, noon());
                    process.ops.read_snapshot(&path).await.unwrap();
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    for i in 0..50 {
        text(&writer.acme, &format!("p{i}")).await;
        // Two at a time, as two processes would.
        let (one, two) = tokio::join!(writer.ops.write_snapshot(&path), writer.ops.write_snapshot(&path));
        assert_eq!(one.unwrap(), two.unwrap());
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert_eq!(names(directory.path()), ["prompts.snapshot"]);
}

#[tokio::test]
async fn paths_that_cannot_be_used_are_errors_that_say_why() {
    let (store, (directory, path)) = (Faulty::new(), place());
    let process = start(&store, noon());
    let error = process.ops.read_snapshot(&path).await.unwrap_err();
    assert!(error.is_not_found());
    assert!(
        error
            .to_string()
            .contains("there is no snapshot at this path yet"),
        "{error}"
    );

    fs::write(directory.path().join("file"), "x").unwrap();
    fs::create_dir(directory.path().join("directory")).unwrap();
    fs::write(directory.path().join("directory/full"), "x").unwrap();
    let before = names(directory.path());
    for bad in ["missing/x", "file/x", "directory", "..", "/", "", "x\0y"] {
        let error = process
            .ops
            .write_snapshot(directory.path().join(bad))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{bad}: {error}");
        assert!(error.to_string().contains("pass "), "{bad}: {error}");
    }
    assert_eq!(names(directory.path()), before, "nothing is left behind");
    for (bad, kind) in [
        ("directory", ErrorKind::Invalid),
        ("file/x", ErrorKind::Invalid),
        ("missing/x", ErrorKind::NotFound),
        ("file", ErrorKind::Corrupt),
    ] {
        let error = process
            .ops
            .read_snapshot(directory.path().join(bad))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{bad}: {error}");
    }
    let error = process
        .ops
        .write_snapshot(directory.path().join("missing/x"))
        .await
        .unwrap_err();
    assert!(std::error::Error::source(&error).is_some(), "the cause is there");
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let (store, (directory, path)) = (Faulty::new(), place());
    fs::write(&path, "what was there before, for all to read").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    snapshot_of_one(&store, &path).await;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let good = fs::read(&path).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o500)).unwrap();
    // The superuser may write anywhere.
    if fs::write(directory.path().join("probe"), "x").is_err() {
        let error = start(&store, noon()).ops.write_snapshot(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("the right to"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), good);
    }
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn they_work_without_a_runtime() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    let process = start(&store, noon());
    let mut write = Box::pin(process.ops.write_snapshot(&path));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match Future::poll(write.as_mut(), &mut context) {
        std::task::Poll::Ready(written) => assert_eq!(written.unwrap().entries, 0),
        std::task::Poll::Pending => panic!("nobody would wake it"),
    }
}
