//! When keys are to be looked at: as the watermark reaches a moment.

use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    calendar: BTreeMap<i64, Vec<u32>>,
    /// By key; [`NEVER`] where there is none.
    next: Vec<i64>,
}

/// Later than any watermark but that of the input's end.
const NEVER: i64 = i64::MAX;

impl Visits {
    /// A key is to be looked at when the watermark reaches a moment, if not earlier.
    #[inline]
    pub(crate) fn plan(&mut self, key: u32, moment: i64) {
        let at = key as usize;
        if self.next.len() <= at {
            self.next.resize(at + 1, NEVER);
        }
        if moment < self.next[at] {
            self.next[at] = moment;
            self.calendar.entry(moment).or_default().push(key);
        }
    }

    /// A key is no longer there.
    pub(crate) fn forget(&mut self, key: u32) {
        if let Some(next) = self.next.get_mut(key as usize) {
            *next = NEVER;
        }
    }

    /// The keys to be looked at by that watermark: each once; what comes next for them is to be planned anew.
    pub(crate) fn due(&mut self, watermark: i64) -> Vec<u32> {
        let mut due = Vec::new();
        while let Some(first) = self.calendar.first_entry() {
            let moment = *first.key();
            if moment > watermark {
                break;
            }
            for key in first.remove() {
                // Planned for another moment since: that one counts.
                let next = &mut self.next[key as usize];
                if *next == moment {
                    *next = NEVER;
                    due.push(key);
                }
            }
        }
        due
    }

    pub(crate) fn bytes(&self) -> usize {
        self.next.capacity() * 8 + self.calendar.values().map(|keys| keys.capacity() * 4 + 48).sum::<usize>()
    }
}
