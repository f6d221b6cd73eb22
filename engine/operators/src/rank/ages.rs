//! How long ago keys last changed, and which have lived their time.
//!
//! Ages count in event time once that is known, until then in the clock's; when it becomes known, all keys count as changed at that moment.

use std::collections::BTreeMap;

/// See the module.
#[derive(Debug)]
pub(crate) struct Ages {
    ttl: i64,
    /// By key.
    touched_at: Vec<i64>,
    scheduled: Vec<bool>,
    calendar: BTreeMap<i64, Vec<u32>>,
    pub(crate) in_event_time: bool,
}

/// The key is not there.
const NOT_THERE: i64 = i64::MIN;

impl Ages {
    pub(crate) fn new(ttl: i64) -> Self {
        Ages { ttl, touched_at: Vec::new(), scheduled: Vec::new(), calendar: BTreeMap::new(), in_event_time: false }
    }

    /// What ages count in, at that watermark and clock.
    pub(crate) fn now(&self, watermark: i64, clock_us: i64) -> i64 {
        if self.in_event_time || watermark != i64::MIN { watermark } else { clock_us }
    }

    /// Event time may become known. Whether all keys have changed by that.
    pub(crate) fn enter(&mut self, watermark: i64) -> bool {
        if self.in_event_time || watermark == i64::MIN || watermark == i64::MAX {
            return false;
        }
        self.in_event_time = true;
        self.touched_at.iter_mut().filter(|at| **at != NOT_THERE).for_each(|at| *at = watermark);
        let all: Vec<u32> = std::mem::take(&mut self.calendar).into_values().flatten().collect();
        if !all.is_empty() {
            self.calendar.insert(watermark.saturating_add(self.ttl), all);
        }
        true
    }

    /// When a key last changed.
    pub(crate) fn touched_at(&self, key: u32) -> i64 {
        self.touched_at.get(key as usize).copied().unwrap_or(NOT_THERE)
    }

    /// A key changed.
    pub(crate) fn touch(&mut self, key: u32, now: i64) {
        let at = key as usize;
        if self.touched_at.len() <= at {
            self.touched_at.resize(at + 1, NOT_THERE);
            self.scheduled.resize(at + 1, false);
        }
        self.touched_at[at] = self.touched_at[at].max(now);
        if !std::mem::replace(&mut self.scheduled[at], true) {
            self.calendar.entry(now.saturating_add(self.ttl)).or_default().push(key);
        }
    }

    /// A key is no longer there.
    pub(crate) fn forget(&mut self, key: u32) {
        if let Some(at) = self.touched_at.get_mut(key as usize) {
            *at = NOT_THERE;
        }
    }

    /// The keys that have lived their time; they are no longer there.
    pub(crate) fn take_gone(&mut self, now: i64) -> Vec<u32> {
        let mut gone = Vec::new();
        while let Some(first) = self.calendar.first_entry() {
            if *first.key() > now {
                break;
            }
            for key in first.remove() {
                let at = key as usize;
                let until = self.touched_at[at].saturating_add(self.ttl);
                if self.touched_at[at] != NOT_THERE && until > now {
                    self.calendar.entry(until).or_default().push(key);
                    continue;
                }
                self.scheduled[at] = false;
                if self.touched_at[at] != NOT_THERE {
                    self.touched_at[at] = NOT_THERE;
                    gone.push(key);
                }
            }
        }
        gone
    }
}
