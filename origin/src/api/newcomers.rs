//! How many sessions that were not there before are taken: each is a row of the catalog for a day, and costs its sender nothing.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use crate::{
    client::network,
    limits::{NEWCOMERS_EVERY, NEWCOMERS_MAX, NEWCOMERS_PER_CLIENT_MAX},
};

/// Counts of those who came in the current stretch of time.
#[derive(Default)]
pub(crate) struct Newcomers {
    current: Mutex<Stretch>,
}

#[derive(Default)]
struct Stretch {
    began: Option<Instant>,
    all: u32,
    clients: HashMap<IpAddr, u32>,
}

// === impl Newcomers ===

impl Newcomers {
    /// Whether one more may come, of this client, now.
    pub(crate) fn admit(&self, client: IpAddr, now: Instant) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.began.is_none_or(|began| now.saturating_duration_since(began) >= NEWCOMERS_EVERY) {
            *current = Stretch { began: Some(now), ..Stretch::default() };
        }
        let of_client = current.clients.get(&network(client)).copied().unwrap_or(0);
        if current.all >= NEWCOMERS_MAX || of_client >= NEWCOMERS_PER_CLIENT_MAX {
            return false;
        }
        current.all += 1;
        current.clients.insert(network(client), of_client + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, Ipv6Addr},
        time::Duration,
    };

    use super::*;

    #[test]
    fn so_many_newcomers_of_a_client_and_of_all_are_taken_a_second_and_not_one_more() {
        let (newcomers, began) = (Newcomers::default(), Instant::now());
        let client = |n: u32| IpAddr::from(Ipv4Addr::from(n));
        let taken = |clients: &dyn Fn(u32) -> IpAddr, of, now| {
            (0..of).filter(|&n| newcomers.admit(clients(n), now)).count() as u64
        };
        let last = began + NEWCOMERS_EVERY.checked_sub(Duration::from_millis(1)).unwrap();
        assert_eq!(taken(&|_| client(1), 2 * NEWCOMERS_PER_CLIENT_MAX, began), u64::from(NEWCOMERS_PER_CLIENT_MAX));
        assert_eq!(
            taken(&|n| client(2 + n), 2 * NEWCOMERS_MAX, last),
            u64::from(NEWCOMERS_MAX - NEWCOMERS_PER_CLIENT_MAX)
        );
        // The next second.
        assert!(newcomers.admit(client(1), began + NEWCOMERS_EVERY));
        // The addresses of one prefix are one client, and those of another are another.
        let v6 = |high: u128, low: u32| IpAddr::from(Ipv6Addr::from_bits(high << 64 | u128::from(low)));
        let now = began + 2 * NEWCOMERS_EVERY;
        assert_eq!(taken(&|n| v6(7, n), 2 * NEWCOMERS_PER_CLIENT_MAX, now), u64::from(NEWCOMERS_PER_CLIENT_MAX));
        assert!(newcomers.admit(v6(8, 0), now));
        // An address is the same in both notations.
        assert_eq!(taken(&|_| client(1), NEWCOMERS_PER_CLIENT_MAX, now), u64::from(NEWCOMERS_PER_CLIENT_MAX));
        assert!(!newcomers.admit(Ipv4Addr::from(1).to_ipv6_mapped().into(), now));
    }
}
