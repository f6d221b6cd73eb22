//! Keys through which a row went, and at what moment; and what captures know of them.

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// By key; [`NONE`] where no row went through.
    passed: Vec<i64>,
    flags: Vec<u8>,
    dirty: Vec<u32>,
    known: usize,
}

/// No row went through. No event time is that early: windows could not be written.
const NONE: i64 = i64::MIN;
/// It changed since the last capture.
const DIRTY: u8 = 1;
/// A capture has it.
const CAPTURED: u8 = 2;
/// The list of changed keys is looked through when it has this many, and twice as many as there are keys.
const DIRTY_MIN: usize = 1024;

impl Marks {
    /// Makes room for keys.
    pub(super) fn grow(&mut self, bound: usize) {
        if self.passed.len() < bound {
            self.passed.resize(bound, NONE);
            self.flags.resize(bound, 0);
        }
    }

    /// How many keys are known.
    pub(super) fn len(&self) -> usize {
        self.known
    }

    #[inline]
    pub(super) fn get(&self, key: u32) -> Option<i64> {
        self.passed.get(key as usize).copied().filter(|&at| at != NONE)
    }

    /// A row went through.
    pub(super) fn set(&mut self, key: u32, at: i64) {
        let passed = &mut self.passed[key as usize];
        self.known += usize::from(*passed == NONE);
        *passed = at.max(NONE + 1);
        self.note(key);
    }

    fn note(&mut self, key: u32) {
        let flags = &mut self.flags[key as usize];
        if *flags & DIRTY == 0 {
            *flags |= DIRTY;
            self.dirty.push(key);
        }
    }

    /// Marks all as changed since the last capture.
    pub(super) fn soil(&mut self) {
        for key in 0..self.passed.len() as u32 {
            if self.get(key).is_some() {
                self.note(key);
            }
        }
    }

    /// Takes a key out; whether a capture has it.
    pub(super) fn forget(&mut self, key: u32) -> bool {
        let passed = &mut self.passed[key as usize];
        self.known -= usize::from(*passed != NONE);
        *passed = NONE;
        let flags = std::mem::take(&mut self.flags[key as usize]);
        flags & CAPTURED != 0
    }

    /// It was captured before: a checkpoint's.
    pub(super) fn restore(&mut self, key: u32, at: i64) {
        self.known += usize::from(self.passed[key as usize] == NONE);
        self.passed[key as usize] = at.max(NONE + 1);
        self.flags[key as usize] = CAPTURED;
    }

    /// Without captures, what waits for one must not grow beyond the keys.
    pub(super) fn tidy(&mut self) {
        if self.dirty.len() > DIRTY_MIN.max(self.known * 2) {
            self.dirty.sort_unstable();
            self.dirty.dedup();
            let flags = &self.flags;
            self.dirty.retain(|&key| flags[key as usize] & DIRTY != 0);
        }
    }

    /// The keys that a capture must write, which then count as captured.
    pub(super) fn take_dirty(&mut self) -> Vec<u32> {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.retain(|&key| {
            let flags = &mut self.flags[key as usize];
            let write = *flags & DIRTY != 0;
            if write {
                *flags = CAPTURED;
            }
            write
        });
        dirty
    }

    pub(super) fn bytes(&self) -> usize {
        self.passed.capacity() * 9 + self.dirty.capacity() * 4
    }
}
