//! Many short lists in one vector. A list has a run whose length is a power of two; a run that is given back is used again.

/// See the module.
#[derive(Debug)]
pub(crate) struct Runs<T> {
    items: Vec<T>,
    /// By the power of two: where runs begin that nobody has.
    free: Vec<Vec<u32>>,
}

/// A list's run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Run {
    start: u32,
    len: u32,
    /// 0 for no run, else one more than the power of two.
    class: u8,
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Runs { items: Vec::new(), free: Vec::new() }
    }
}

impl Run {
    pub(crate) fn len(self) -> usize {
        self.len as usize
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len == 0
    }

    fn capacity(self) -> u32 {
        if self.class == 0 { 0 } else { 1 << (self.class - 1) }
    }
}

impl<T: Copy + Default> Runs<T> {
    #[inline]
    pub(crate) fn get(&self, run: Run) -> &[T] {
        &self.items[run.start as usize..run.start as usize + run.len as usize]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, run: Run) -> &mut [T] {
        &mut self.items[run.start as usize..run.start as usize + run.len as usize]
    }

    /// Puts an item into a list, before the one at `at`.
    pub(crate) fn insert(&mut self, run: &mut Run, at: usize, item: T) {
        if run.len == run.capacity() {
            let larger = Run { start: self.room(run.class + 1), len: run.len, class: run.class + 1 };
            self.items.copy_within(run.start as usize..run.start as usize + run.len(), larger.start as usize);
            self.give_back(*run);
            *run = larger;
        }
        run.len += 1;
        let items = self.get_mut(*run);
        items.copy_within(at..items.len() - 1, at + 1);
        items[at] = item;
    }

    /// Takes an item out of a list.
    pub(crate) fn remove(&mut self, run: &mut Run, at: usize) -> T {
        let items = self.get_mut(*run);
        let item = items[at];
        items.copy_within(at + 1.., at);
        run.len -= 1;
        if run.len == 0 {
            self.give_back(*run);
            *run = Run::default();
        }
        item
    }

    /// Takes the first items out of a list.
    pub(crate) fn remove_first(&mut self, run: &mut Run, count: usize) {
        self.get_mut(*run).copy_within(count.., 0);
        run.len -= count as u32;
        if run.len == 0 {
            self.give_back(*run);
            *run = Run::default();
        }
    }

    fn room(&mut self, class: u8) -> u32 {
        if let Some(start) = self.free.get_mut(usize::from(class)).and_then(Vec::pop) {
            return start;
        }
        let start = self.items.len();
        self.items.resize(start + (1 << (class - 1)), T::default());
        start as u32
    }

    fn give_back(&mut self, run: Run) {
        if run.class == 0 {
            return;
        }
        let class = usize::from(run.class);
        if self.free.len() <= class {
            self.free.resize(class + 1, Vec::new());
        }
        self.free[class].push(run.start);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.items.capacity() * size_of::<T>() + self.free.iter().map(|f| f.capacity() * 4).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_holds_what_vectors_hold(steps in proptest::collection::vec((0..5usize, 0..4u8, any::<u16>()), 0..300)) {
            let mut runs = Runs::default();
            let mut lists = [Run::default(); 5];
            let mut plain: [Vec<u32>; 5] = Default::default();
            for (n, (list, what, at)) in steps.into_iter().enumerate() {
                let len = plain[list].len();
                match what {
                    0 | 1 => {
                        let at = usize::from(at) % (len + 1);
                        runs.insert(&mut lists[list], at, n as u32);
                        plain[list].insert(at, n as u32);
                    }
                    2 if len > 0 => {
                        let at = usize::from(at) % len;
                        prop_assert_eq!(runs.remove(&mut lists[list], at), plain[list].remove(at));
                    }
                    _ => {
                        let count = usize::from(at) % (len + 1);
                        runs.remove_first(&mut lists[list], count);
                        plain[list].drain(..count);
                    }
                }
                for (list, plain) in lists.iter().zip(&plain) {
                    prop_assert_eq!(runs.get(*list), plain.as_slice());
                }
            }
        }
    }
}
