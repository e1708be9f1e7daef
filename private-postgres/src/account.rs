//! Who runs the server: PostgreSQL refuses root.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::error::{Error, Result};

/// Tried in this order; the first is made by most packages of PostgreSQL, the second is there on every system.
const NAMES: [&str; 2] = ["postgres", "nobody"];

/// An account other than ours.
#[derive(Debug)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account to use if ours is root.
    pub(crate) fn instead_of_root() -> Result<Option<Self>> {
        let ours =
            id(&["-u"]).ok_or_else(|| Error::new("cannot tell who we are: `id -u` gives no number"))?;
        if ours != 0 {
            return Ok(None);
        }
        let found = NAMES.into_iter().find_map(|name| {
            let (uid, gid) = (id(&["-u", name])?, id(&["-g", name])?);
            Some(Self { uid, gid })
        });
        found.map(Some).ok_or_else(|| {
            Error::new(format!(
                "PostgreSQL does not run as root, and neither account is there to run it as: {}; \
                 make one of them, or run this as another user",
                NAMES.join(", ")
            ))
        })
    }

    /// Makes the command run as the account.
    pub(crate) fn run(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
