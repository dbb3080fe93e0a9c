//! Who waits for segments that are not made yet, and how many may.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use vidstream_media::VideoId;

use crate::{
    client::network,
    limits::{WAITING_PER_CLIENT_MAX, WAITING_PER_VIDEO_MAX},
};

/// Counts of those who wait.
#[derive(Clone, Default)]
pub(crate) struct Waits {
    counts: Arc<Mutex<Counts>>,
}

#[derive(Default)]
struct Counts {
    clients: HashMap<IpAddr, u32>,
    videos: HashMap<VideoId, u32>,
}

/// A place among those who wait; given back when dropped.
pub(crate) struct Waiting {
    waits: Waits,
    client: IpAddr,
    video: VideoId,
}

// === impl Waits ===

impl Waits {
    /// A place for one more, if client and video have one left.
    pub(crate) fn enter(&self, client: IpAddr, video: VideoId) -> Option<Waiting> {
        let client = network(client);
        let mut counts = self.lock();
        let of_client = counts.clients.get(&client).copied().unwrap_or(0);
        let of_video = counts.videos.get(&video).copied().unwrap_or(0);
        if of_client >= WAITING_PER_CLIENT_MAX || of_video >= WAITING_PER_VIDEO_MAX {
            return None;
        }
        counts.clients.insert(client, of_client + 1);
        counts.videos.insert(video, of_video + 1);
        metrics::gauge!("vidstream_segments_waiting").increment(1.0);
        Some(Waiting { waits: self.clone(), client, video })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut counts = self.waits.lock();
        leave(&mut counts.clients, &self.client);
        leave(&mut counts.videos, &self.video);
        metrics::gauge!("vidstream_segments_waiting").decrement(1.0);
    }
}

fn leave<K: Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    match counts.get_mut(key) {
        Some(count) if *count > 1 => *count -= 1,
        _ => {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn clients_and_videos_have_so_many_places_and_get_them_back() {
        let waits = Waits::default();
        let (film, other) = (VideoId::from_bits(1), VideoId::from_bits(2));
        let client = |n: u32| IpAddr::from(Ipv4Addr::from(n));
        let mut held: Vec<Waiting> = (0..4).filter_map(|_| waits.enter(client(1), film)).collect();
        assert_eq!(held.len(), 4);
        assert!(waits.enter(client(1), other).is_none());
        held.pop();
        assert!(waits.enter(client(1), other).is_some());
        held.extend((0..300).filter_map(|n| waits.enter(client(100 + n / 4), film)));
        assert_eq!(held.len(), 256);
        assert!(waits.enter(client(9), film).is_none());
        assert!(waits.enter(client(9), other).is_some());
        drop(held);
        // The addresses of one prefix are one client.
        let of_prefix = |low: u128| IpAddr::from(Ipv6Addr::from_bits(7_u128 << 64 | low));
        let held: Vec<Waiting> = (0..6).filter_map(|low| waits.enter(of_prefix(low), film)).collect();
        assert_eq!(held.len(), 4);
        drop(held);
        let counts = waits.lock();
        assert!(counts.clients.is_empty() && counts.videos.is_empty());
    }
}
