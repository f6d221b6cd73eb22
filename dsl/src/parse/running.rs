//! `running total = sum(price) per bidder within 1h`.

use super::{
    cursor::{Cursor, Parse},
    stop::Stop,
};
use crate::{
    ast::{Running, RunningOver, Spanned},
    codes,
    syntax::SyntaxKind::{CLAUSE, NUMBER},
};

impl Cursor<'_, '_> {
    /// What comes after `running`.
    pub(super) fn running(&mut self) -> Parse<Running> {
        let stops = [Stop::Per, Stop::OrderBy, Stop::Within, Stop::In, Stop::Keep];
        let values = self.named_exprs("an aggregate, like `total = sum(price)`", &stops)?;
        self.all_named(&values, "total = sum(price)")?;
        let mut found = Running { values, per: Vec::new(), order: None, over: None, window: None, keep_state: None };
        let mut per = None;
        while !self.done() {
            if Stop::Per.begins(self) {
                self.once(&per, "per")?;
                per = Some(());
                found.per = self.per(&stops)?;
            } else if Stop::OrderBy.begins(self) {
                self.once(&found.order, "order by")?;
                found.order = Some(self.order_by(&stops)?);
            } else if Stop::Within.begins(self) {
                self.once(&found.over, "within")?;
                found.over = Some(self.node(CLAUSE, |c| {
                    c.keywords(1);
                    c.running_over()
                })?);
            } else if Stop::In.begins(self) {
                self.once(&found.window, "in")?;
                found.window = Some(self.in_window()?);
            } else if Stop::Keep.begins(self) {
                self.once(&found.keep_state, "keep")?;
                found.keep_state = Some(self.keep_state()?);
            } else {
                break;
            }
        }
        Ok(found)
    }

    /// `1h`, or `10 rows`.
    fn running_over(&mut self) -> Parse<Spanned<RunningOver>> {
        let start = self.place();
        if self.kind(0) == Some(NUMBER) && (self.word(1, "rows") || self.word(1, "row")) {
            let rows = self.count("how many rows")?;
            self.keywords(1);
            if rows.value == 0 {
                let d =
                    self.out.error(codes::EXPECTED, rows.span, "0 rows are none, not even the row itself").hint("write a number from 1 on");
                return self.fail(d);
            }
            return Ok(Spanned::new(RunningOver::Rows(rows), self.since(start)));
        }
        let time = self.duration("how far back the rows lie (`1h`, or `10 rows`)")?;
        Ok(Spanned::new(RunningOver::Time(time), self.since(start)))
    }
}
