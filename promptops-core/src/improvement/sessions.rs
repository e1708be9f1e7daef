//! Which sessions have counted, so that each counts once.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::base::TenantId;
use crate::base::hash::CanonicalHasher;

/// The sessions seen last, each as 64 bits of a hash. Traces of one session are alike, and a monitor's guarantees are for
/// traces that each stand for themselves: so of a session the first scored trace counts.
///
/// The hash is the first 8 bytes of SHA-256 over the canonical encoding (see [`hash`](crate::base::hash)), domain
/// `promptops.watched_session`, format 1, of the tenant and the session as texts: nobody can read a session off it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecentSessions(VecDeque<u64>);

impl RecentSessions {
    /// So many are remembered; one that comes back after as many others counts again.
    pub const REMEMBERED: usize = 4_096;

    /// Whether this session has not counted; it has then. A trace without one is always new.
    pub(crate) fn is_new(&mut self, tenant: &TenantId, session: Option<&str>) -> bool {
        let Some(session) = session else {
            return true;
        };
        let mut hasher = CanonicalHasher::new("promptops.watched_session", 1);
        hasher.text(tenant.as_str());
        hasher.text(session);
        let [a, b, c, d, e, f, g, h, ..] = hasher.finish();
        let hash = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        if self.0.contains(&hash) {
            return false;
        }
        while self.0.len() >= Self::REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(hash);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_session_counts_once_while_it_is_remembered() {
        let tenant = TenantId::new("acme").unwrap();
        let mut sessions = RecentSessions::default();
        assert!(sessions.is_new(&tenant, Some("a")));
        assert!(!sessions.is_new(&tenant, Some("a")));
        assert!(sessions.is_new(&tenant, None) && sessions.is_new(&tenant, None));
        for n in 0..RecentSessions::REMEMBERED {
            assert!(sessions.is_new(&tenant, Some(&n.to_string())));
        }
        assert_eq!(sessions.0.len(), RecentSessions::REMEMBERED);
        assert!(sessions.is_new(&tenant, Some("a")), "forgotten by now");
        let read: RecentSessions = serde_json::from_str(&serde_json::to_string(&sessions).unwrap()).unwrap();
        assert_eq!(read, sessions);
    }
}
