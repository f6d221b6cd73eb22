//! A query gives the same plan as the verbs that say the same.

use super::{planned, rendered};
use runink_planner::explain::shape;

const HEAD: &str = "Feature: Queries
  Scenario: Both ways
    @source(name=bids, type=topic, topic=\"bids\", contract=Bid, lateness=5s)
    @source(name=auctions, type=topic, topic=\"auctions\", contract=Auction, lateness=5s)
    @source(name=people, type=file, path=\"people.json\", contract=Person)
    @source(name=rates, type=topic, topic=\"rates\", contract=Rate, key=currency, lateness=5s)
";

const CONTRACTS: &str = "
Contract: Bid version 1
  | field    | type          | rules                |
  | auction  | int           | required             |
  | bidder   | int           | required             |
  | price    | int           | required             |
  | currency | string        |                      |
  | tags     | list<string>  |                      |
  | at       | timestamp(ms) | required, event time |

Contract: Auction version 1
  | field    | type          | rules                |
  | id       | int           | required             |
  | seller   | int           | required             |
  | category | int           |                      |
  | opened   | timestamp(ms) | required, event time |

Contract: Person version 1
  | field | type   | rules         |
  | id    | int    | required, key |
  | name  | string |               |
  | state | string |               |

Contract: Rate version 1
  | field    | type           | rules                |
  | currency | string         | required             |
  | rate     | decimal(12, 4) |                      |
  | valid    | timestamp(ms)  | required, event time |
";

fn text_of(lines: &str) -> String {
    format!("{HEAD}{lines}\n    @sink(type=stdout)\n{CONTRACTS}")
}

/// The plan, without the names that only say which step did it.
fn plan_of(lines: &str) -> String {
    let (project, planned) = planned("queries.dsl", &text_of(lines), &[]);
    assert!(!project.has_errors(), "{lines}\n{:#?}", project.diagnostics);
    let plan = planned.plan.clone().unwrap_or_else(|| panic!("{lines}\n{}", rendered(&project, &planned)));
    shape(plan)
}

/// Holds a query against verbs. The verbs may take several steps; the last one is what goes out.
#[track_caller]
fn same(query: &str, verbs: &str) {
    let query = format!("    @step(name=Q)\n      @do sql \"\"\"{query}\"\"\"");
    same_steps(&query, verbs);
}

#[track_caller]
fn same_steps(query: &str, verbs: &str) {
    let (query, verbs) = (plan_of(query), plan_of(verbs));
    if query != verbs {
        panic!("the plans differ\n--- query\n{query}\n--- verbs\n{verbs}");
    }
}

#[test]
fn rows() {
    same(
        "select auction, price * 2 as doubled from bids where price > 100 and bidder <> 7",
        "    @step(name=A, from=bids)\n      @when price > 100 and bidder <> 7\n      @do select auction, price * 2 as doubled",
    );
    same("select * from bids", "    @step(name=A, from=bids)\n      @when true");
    same(
        "select b.*, upper(b.currency) as currency_code from bids as b",
        "    @step(name=A, from=bids)\n      @do select bids.*, currency_code = upper(currency)",
    );
    same("SELECT Auction, PRICE FROM BIDS", "    @step(name=A, from=bids)\n      @do select auction, price");
}

#[test]
fn group_windows() {
    let verbs = |window: &str| {
        format!(
            "    @step(name=A, from=bids)\n      @do aggregate n = count(*), top = max(price) by auction in {window}\n      \
             @do select auction, window_start as opened, window_end as closed, n, top"
        )
    };
    for (window, shape) in [
        ("tumble(at, interval '1' minute)", "tumbling(1m) on at"),
        ("hop(at, interval '2' second, interval '10 seconds')", "hopping(10s, every 2s) on at"),
        ("session(at, interval '30' minute)", "session(30m) on at"),
        ("cumulate(at, interval '1' hour, interval '1' day)", "cumulating(1d, every 1h) on at"),
    ] {
        let name = window.split('(').next().unwrap();
        same(
            &format!(
                "select auction, {name}_start(at, interval '1' minute) as opened, {name}_end(at, interval '1' minute) as closed, count(*) as n, \
                 max(price) as top from bids group by {window}, auction"
            ),
            &verbs(shape),
        );
    }
}

#[test]
fn window_tables() {
    for (call, shape) in [
        ("tumble(table bids, descriptor(at), interval '1' minute)", "tumbling(1m) on at"),
        ("tumble(table bids, descriptor(at), interval '1' minute, interval '10' second)", "tumbling(1m) offset 10s on at"),
        ("tumble(data => table bids, timecol => descriptor(at), size => interval '1' minute)", "tumbling(1m) on at"),
        ("hop(table bids, descriptor(at), interval '2' second, interval '10' second)", "hopping(10s, every 2s) on at"),
        ("cumulate(table bids, descriptor(at), interval '1' hour, interval '1' day)", "cumulating(1d, every 1h) on at"),
        ("session(table bids, descriptor(at), interval '30' minute)", "session(30m) on at"),
        ("tumble(table bids, descriptor(proctime()), interval '1' minute)", "tumbling(1m) on processing time"),
    ] {
        same(
            &format!(
                "select window_start, window_end, auction, count(*) as n from table({call}) group by window_start, window_end, auction \
                 having count(*) > 3"
            ),
            &format!(
                "    @step(name=A, from=bids)\n      @do aggregate n = count(*) by auction in {shape} having n > 3\n      \
                 @do select window_start, window_end, auction, n"
            ),
        );
    }
}

#[test]
fn aggregates() {
    same(
        "select auction, count(distinct bidder) as bidders, count(*) filter (where price > 10) as dear, sum(price) / count(*) as mean \
         from tumble(table bids, descriptor(at), interval '1' minute) where currency is not null group by auction, window_end",
        "    @step(name=A, from=bids)\n      @when currency is not null\n      @do aggregate bidders = count(distinct bidder), dear = count(*) filter (where price > 10), \
         mean = sum(price) / count(*) by auction in tumbling(1m) on at\n      @do select auction, bidders, dear, mean",
    );
    // Keys that are computed, by their names, places and as they are.
    for by in ["day", "1", "date_trunc('day', at)"] {
        same_steps(
            &format!(
                "    @step(name=Q)\n      @do sql \"\"\"select date_trunc('day', at) as day, count(*) as n from bids group by {by}\"\"\" keep state for 7d"
            ),
            "    @step(name=A, from=bids)\n      @do aggregate n = count(*) by date_trunc('day', at) as day keep state for 7d",
        );
    }
    // A result that is only asked for in `having`.
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select auction, count(*) as n from bids group by auction having max(price) > 100 and n > 1\"\"\" keep for ever",
        "    @step(name=A, from=bids)\n      @do aggregate n = count(*), __max1 = max(price) by auction having __max1 > 100 and n > 1 keep for ever\n      \
         @do select auction, n",
    );
}

#[test]
fn joins_with_tables() {
    for (sql, verb) in [("join", "join"), ("inner join", "join"), ("left join", "left join"), ("left outer join", "left join")] {
        same(
            &format!("select b.auction, p.name from bids b {sql} people p on p.id = b.bidder"),
            &format!("    @step(name=A, from=bids)\n      @do {verb} people on people.id = bidder\n      @do select auction, people.name"),
        );
    }
    // A table that stands first, a comma, `using`.
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select b.auction, r.rate from rates r, bids b where r.currency = b.currency and b.price > 5\"\"\" keep for ever",
        "    @step(name=A, from=bids)\n      @do join rates on rates.currency = bids.currency keep for ever\n      @do keep price > 5\n      @do select auction, rate",
    );
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select b.auction, r.rate from rates r right join bids b on r.currency = b.currency\"\"\" keep for ever",
        "    @step(name=A, from=bids)\n      @do left join rates on rates.currency = bids.currency keep for ever\n      @do select auction, rate",
    );
    same(
        "select o.id, o.seller, p.name from auctions o join people p using (id)",
        "    @step(name=A, from=auctions)\n      @do join people on id = people.id\n      @do select id, seller, name",
    );
}

#[test]
fn joins_within_an_interval() {
    let verbs = |bounds: &str| {
        format!(
            "    @step(name=A, from=auctions)\n      @do join bids on bids.auction = auctions.id within {bounds}\n      @do select id, price"
        )
    };
    for (condition, bounds) in [
        ("b.at between a.opened and a.opened + interval '10' minute", "0s to 10m"),
        ("b.at >= a.opened and b.at <= a.opened + interval '10' minute", "0s to 10m"),
        ("a.opened between b.at - interval '10' minute and b.at + interval '5' second", "-5s to 10m"),
        ("a.opened <= b.at and b.at - interval '10' minute <= a.opened", "0s to 10m"),
        ("b.at between a.opened - interval '5' second and a.opened + interval '10' minute", "-5s to 10m"),
    ] {
        same(&format!("select a.id, b.price from auctions a join bids b on b.auction = a.id and {condition}"), &verbs(bounds));
        same(&format!("select a.id, b.price from auctions a, bids b where b.auction = a.id and {condition}"), &verbs(bounds));
    }
    for (sql, verb) in [("left join", "left join"), ("right join", "right join"), ("full join", "full join")] {
        same(
            &format!(
                "select a.id, b.price from auctions a {sql} bids b on b.auction = a.id and b.at between a.opened and a.opened + interval '1' hour"
            ),
            &format!(
                "    @step(name=A, from=auctions)\n      @do {verb} bids on bids.auction = auctions.id within 0s to 1h\n      @do select id, price"
            ),
        );
    }
}

#[test]
fn joins_in_windows_as_of_a_time_and_without_a_bound() {
    same(
        "select a.id, b.price from table(tumble(table auctions, descriptor(opened), interval '10' second)) a \
         join table(tumble(table bids, descriptor(at), interval '10' second)) b \
         on a.id = b.auction and a.window_start = b.window_start and a.window_end = b.window_end",
        "    @step(name=A, from=auctions)\n      @do join bids on id = bids.auction in tumbling(10s)\n      @do select id, price",
    );
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select b.price * r.rate as paid, b.at from bids b join rates for system_time as of b.at as r \
         on r.currency = b.currency\"\"\" keep for ever",
        "    @step(name=A, from=bids)\n      @do join rates on rates.currency = bids.currency as of at keep for ever\n      @do select price * rate as paid, at",
    );
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select b.price * t.rate as paid from bids b join rates for system_time as of proctime() as t \
         on t.currency = b.currency\"\"\" keep state for 1d",
        "    @step(name=A, from=bids)\n      @do join rates on rates.currency = bids.currency as of processing time keep state for 1d\n      @do select price * rate as paid",
    );
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select a.id, b.price from auctions a join bids b on a.id = b.auction\"\"\" keep state for 1d",
        "    @step(name=A, from=auctions)\n      @do join bids on id = bids.auction keep state for 1d\n      @do select id, price",
    );
}

#[test]
fn queries_inside_conditions() {
    for (condition, kind) in [
        ("bidder in (select id from people)", "semi"),
        ("exists (select 1 from people p where p.id = bidder)", "semi"),
        ("not exists (select 1 from people where people.id = bids.bidder)", "anti"),
    ] {
        same(
            &format!("select * from bids where {condition}"),
            &format!("    @step(name=A, from=bids)\n      @do {kind} join people on bidder = people.id"),
        );
    }
    same(
        "select * from bids where bidder is not null and bidder not in (select id from people where id is not null)",
        "    @step(name=A, from=bids)\n      @when bidder is not null\n      @do anti join people on bidder = people.id and people.id is not null",
    );
}

#[test]
fn exists_within_an_interval() {
    same(
        "select * from auctions a where exists (select 1 from bids b where b.auction = a.id and b.at between a.opened and a.opened + interval '10' minute)",
        "    @step(name=A, from=auctions)\n      @do semi join bids on bids.auction = auctions.id within 0s to 10m",
    );
}

#[test]
fn queries_in_from_and_with() {
    let verbs = "    @step(name=A, from=bids)\n      @when price > 10\n      @do select auction as item, price\n      @do aggregate n = count(*) by item keep for ever";
    for query in [
        "select item, count(*) as n from (select auction as item, price from bids where price > 10) as dear group by item",
        "with dear as (select auction as item, price from bids where price > 10) select item, count(*) as n from dear group by item",
        "with dear (item, price) as (select auction, price from bids where price > 10) select d.item, count(*) as n from dear d group by d.item",
        "select d.item, count(*) as n from (select auction, price from bids where price > 10) as d (item, price) group by d.item",
        "with bids as (select auction as item, price from bids where price > 10) select item, count(*) as n from bids group by item",
    ] {
        same_steps(&format!("    @step(name=Q)\n      @do sql \"\"\"{query}\"\"\" keep for ever"), verbs);
    }
}

#[test]
fn unions() {
    same(
        "select bidder as person, at from bids union all select seller, opened from auctions",
        "    @step(name=S, from=auctions)\n      @do select seller as person, opened as at\n    @step(name=A, from=bids)\n      @do select bidder as person, at\n      @do union S",
    );
}

#[test]
fn windows_of_windows() {
    // The busiest auctions of each window, as Nexmark asks for them.
    same(
        "select b.auction, b.n from
           (select auction, count(*) as n, window_start as s, window_end as e from table(hop(table bids, descriptor(at), interval '2' second, interval '10' second))
            group by auction, window_start, window_end) b
         join
           (select max(n) as most, s, e from
             (select auction, count(*) as n, window_start as s, window_end as e from table(hop(table bids, descriptor(at), interval '2' second, interval '10' second))
              group by auction, window_start, window_end) c
            group by s, e) m
         on b.s = m.s and b.e = m.e and b.n >= m.most",
        "    @step(name=B, from=bids)
      @do aggregate n = count(*) by auction in hopping(10s, every 2s)
      @do select auction, n, window_start as s, window_end as e
    @step(name=M)
      @do aggregate most = max(n) by s in tumbling(2s)
      @do select most, s, window_end as e
    @step(name=A, from=B)
      @do join M on B.s = M.s and B.n >= M.most within 0s
      @do select B.auction, B.n",
    );
}

#[test]
fn the_rows_so_far_are_read_by_the_name_of_the_input() {
    same_steps(
        "    @step(name=A, from=bids)\n      @when price > 10\n      @do sql \"\"\"select auction, price from bids\"\"\"\n      @do set dear = price > 100",
        "    @step(name=A, from=bids)\n      @when price > 10\n      @do select auction, price\n      @do set dear = price > 100",
    );
    same_steps(
        "    @step(name=A, from=[bids, people])\n      @do sql \"\"\"select b.auction, p.name from bids b join people p on p.id = b.bidder\"\"\"",
        "    @step(name=A, from=[bids, people])\n      @do join people on people.id = bidder\n      @do select auction, people.name",
    );
    // Steps that come later in the text, and outputs of a split.
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select auction from Routed.dear\"\"\"\n    @sink(type=stdout)\n    @step(name=Routed, from=bids)\n      @do split dear when price > 10, cheap otherwise\n    @step(name=Z, from=Q)\n      @when auction > 3",
        "    @step(name=Q, from=Routed.dear)\n      @do select auction\n    @sink(type=stdout)\n    @step(name=Routed, from=bids)\n      @do split dear when price > 10, cheap otherwise\n    @step(name=Z, from=Q)\n      @when auction > 3",
    );
}

#[test]
fn windows_joined_to_results_of_windows_and_asked_for() {
    same(
        "select b.auction, b.price from table(tumble(table bids, descriptor(at), interval '10' second)) b \
         join (select max(price) as highest, window_end as closed from table(tumble(table bids, descriptor(at), interval '10' second)) \
           group by window_start, window_end) h on h.highest = b.price and h.closed = b.window_end",
        "    @step(name=H, from=bids)\n      @do aggregate highest = max(price) in tumbling(10s)\n      @do select highest, window_end as closed\n    @step(name=A, from=bids)\n      \
         @do join H on H.highest = bids.price in tumbling(10s)\n      @do select auction, price",
    );
    same(
        "select id, seller from table(tumble(table auctions, descriptor(opened), interval '10' second)) a where exists \
         (select 1 from table(tumble(table bids, descriptor(at), interval '10' second)) b \
          where b.auction = a.id and b.window_start = a.window_start and b.window_end = a.window_end)",
        "    @step(name=A, from=auctions)\n      @do semi join bids on bids.auction = auctions.id in tumbling(10s)\n      @do select id, seller",
    );
}

#[test]
fn lists_are_unnested() {
    same(
        "select b.auction, t.tag from bids b cross join unnest(b.tags) as t(tag)",
        "    @step(name=A, from=bids)\n      @do set tag = tags\n      @do unnest tag\n      @do select auction, tag",
    );
    same(
        "select b.auction, t.tag, t.place from bids b left join unnest(b.tags) with ordinality as t(tag, place) on true",
        "    @step(name=A, from=bids)\n      @do set tag = tags\n      @do unnest tag with ordinality as place keep empty\n      @do select auction, tag, place",
    );
}

#[test]
fn the_first_rows_of_each_group() {
    let verbs = "    @step(name=A, from=bids)\n      @do top 3 by price desc per auction as rn keep state for 1d\n      @do select auction, price, rn";
    for query in [
        "select auction, price, rn from (select *, row_number() over (partition by auction order by price desc) as rn from bids) where rn <= 3",
        "select auction, price, r.rn from (select *, row_number() over w as rn from bids window w as (partition by auction order by price desc)) as r \
         where 3 >= r.rn",
        "with ranked as (select *, row_number() over (partition by auction order by price desc) as rn from bids) \
         select auction, price, rn from ranked where rn < 4",
        "select auction, price, row_number() over (partition by auction order by price desc) as rn from bids qualify rn <= 3",
    ] {
        same_steps(&format!("    @step(name=Q)\n      @do sql \"\"\"{query}\"\"\" keep state for 1d"), verbs);
    }
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select auction, price from bids qualify rank() over (partition by auction order by price desc, bidder) <= 3\"\"\" keep for ever",
        "    @step(name=A, from=bids)\n      @do top 3 by price desc, bidder per auction with ties keep for ever\n      @do select auction, price",
    );
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select auction, rank() over (partition by auction order by price) as place from bids\"\"\" keep for ever",
        "    @step(name=A, from=bids)\n      @do rank place by price per auction with ties keep for ever\n      @do select auction, place",
    );
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select auction, price from bids order by price desc limit 10\"\"\" keep for ever",
        "    @step(name=A, from=bids)\n      @do select auction, price\n      @do top 10 by price desc keep for ever",
    );
}

#[test]
fn the_first_rows_of_windows() {
    same(
        "select window_end, auction, price from (select *, row_number() over (partition by window_start, window_end, auction order by price desc) as rn \
         from table(tumble(table bids, descriptor(at), interval '1' minute))) where rn <= 2",
        "    @step(name=A, from=bids)\n      @do top 2 by price desc per auction in tumbling(1m) on at\n      @do select window_end, auction, price",
    );
    same(
        "select auction, n from (select *, rank() over (partition by closed order by n desc) as place from \
           (select auction, count(*) as n, window_end as closed from table(tumble(table bids, descriptor(at), interval '1' minute)) \
            group by window_start, window_end, auction)) where place = 1",
        "    @step(name=A, from=bids)\n      @do aggregate n = count(*) by auction in tumbling(1m)\n      @do select auction, n, window_end as closed\n      \
         @do top 1 by n desc per closed with ties\n      @do select auction, n",
    );
    // In one `select`: the ranking is over the results of the groups.
    same(
        "select auction, count(*) as n, window_end as closed from table(tumble(table bids, descriptor(at), interval '1' minute)) \
         group by window_start, window_end, auction qualify row_number() over (partition by window_end order by count(*) desc) <= 2",
        "    @step(name=A, from=bids)\n      @do aggregate n = count(*) by auction in tumbling(1m)\n      @do top 2 by n desc per window_end\n      \
         @do select auction, n, window_end as closed",
    );
}

#[test]
fn first_and_last_of_each_key() {
    for (order, keep) in [("at", "first"), ("at asc", "first"), ("at desc", "last"), ("price desc", "last")] {
        let by = order.split(' ').next().unwrap();
        same_steps(
            &format!(
                "    @step(name=Q)\n      @do sql \"\"\"select auction, bidder, at from (select *, row_number() over (partition by auction, bidder order by {order}) as rn \
                 from bids) where rn = 1\"\"\" keep for ever"
            ),
            &format!(
                "    @step(name=A, from=bids)\n      @do deduplicate by auction, bidder keep {keep} order by {by} keep for ever\n      @do select auction, bidder, at"
            ),
        );
    }
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select distinct auction, bidder from bids\"\"\" keep state for 7d",
        "    @step(name=A, from=bids)\n      @do select auction, bidder\n      @do deduplicate by auction, bidder keep first keep state for 7d",
    );
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select auction from bids group by auction\"\"\" keep state for 7d",
        "    @step(name=A, from=bids)\n      @do select auction\n      @do deduplicate by auction keep first keep state for 7d",
    );
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select auction from bids union select id from auctions\"\"\" keep state for 7d",
        "    @step(name=S, from=auctions)\n      @do select id as auction\n    @step(name=A, from=bids)\n      @do select auction\n      @do union S\n      \
         @do deduplicate by auction keep first keep state for 7d",
    );
}

#[test]
fn rows_before_and_behind() {
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select auction, price, lag(price) over (partition by auction order by at) as before, \
         lag(bidder) over (partition by auction order by at) as previous from bids\"\"\" keep state for 1d",
        "    @step(name=A, from=bids)\n      @do lag before = price, previous = bidder per auction order by at keep state for 1d\n      \
         @do select auction, price, before, previous",
    );
    same(
        "select auction, lead(price, 2) over (partition by auction, window_start order by at, bidder) as price \
         from table(tumble(table bids, descriptor(at), interval '1' minute))",
        "    @step(name=A, from=bids)\n      @do lead __lead1 = price by 2 per auction order by at, bidder in tumbling(1m) on at\n      @do select auction, __lead1 as price",
    );
}

#[test]
fn several_groupings_at_once() {
    let verbs = |sets: &str| {
        format!(
            "    @step(name=A, from=bids)\n      @do aggregate n = count(*) by grouping sets ({sets}) keep for ever\n      @do select grouping_id, auction, bidder, n"
        )
    };
    for (by, sets) in [
        ("grouping sets ((auction, bidder), (auction), ())", "(auction, bidder), (auction), ()"),
        ("rollup (auction, bidder)", "(auction, bidder), (auction), ()"),
        ("cube (auction, bidder)", "(auction, bidder), (bidder), (auction), ()"),
    ] {
        for id in ["grouping_id", "grouping(auction, bidder) as grouping_id"] {
            let query = format!("select {id}, auction, bidder, count(*) as n from bids group by {by}");
            same_steps(&format!("    @step(name=Q)\n      @do sql \"\"\"{query}\"\"\" keep for ever"), &verbs(sets));
        }
    }
}

#[test]
fn aggregates_of_results_that_change() {
    same_steps(
        "    @step(name=Q)\n      @do sql \"\"\"select category, avg(final) as average from (select max(b.price) as final, a.id, a.category from auctions a, bids b \
         where a.id = b.auction group by a.id, a.category) q group by category\"\"\" keep for ever",
        "    @step(name=J, from=auctions)\n      @do join bids on auctions.id = bids.auction keep for ever\n    @step(name=A)\n      \
         @do aggregate final = max(price) by id, category keep for ever\n      @do select final, id, category\n      \
         @do aggregate average = avg(final) by category keep for ever",
    );
}

#[test]
fn recursions() {
    let verbs = "    @step(name=A, from=auctions)
      @do select seller as a, id as b
      @do iterate keep for ever
      @do join bids on bids.bidder = A.b
      @do select A.a, bids.auction as b";
    let query = "with recursive r(a, b) as (
          select seller, id from auctions
          union
          select r.a, bids.auction from r join bids on bids.bidder = r.b
        ) select * from r";
    same_steps(&format!("    @step(name=Q)\n      @do sql \"\"\"{query}\"\"\" keep for ever"), verbs);
    let own = query.replace("from auctions", "from auctions where id > 3");
    let verbs = verbs.replace("      @do select seller as a", "      @when id > 3\n      @do select seller as a");
    same_steps(&format!("    @step(name=Q, from=auctions)\n      @do sql \"\"\"{own}\"\"\" keep for ever"), &verbs);
    // Rows of the step itself, and left joins in a round.
    let query = "with recursive r as (
          select id, seller from auctions
          union
          select a.id, coalesce(a.seller, r.seller) as seller from r left join auctions a on a.seller = r.id where r.id <> 5
        ) select id from r";
    let verbs = "    @step(name=A, from=auctions)
      @do select id, seller
      @do iterate keep for ever
      @do left join auctions as a on a.seller = A.id
      @do keep A.id <> 5
      @do select a.id, coalesce(a.seller, A.seller) as seller
    @step(name=B)
      @do select id";
    let (query, verbs) = (plan_of(&format!("    @step(name=Q)\n      @do sql \"\"\"{query}\"\"\" keep for ever")), plan_of(verbs));
    assert_eq!(query.replace("meet of", ""), verbs.replace("meet of", ""));
}

#[test]
fn patterns() {
    same(
        "select auction, began, ups from bids match_recognize (
           partition by auction
           order by at, price desc
           measures first(low.at) as began, count(up.*) as ups
           one row per match
           after match skip to last up
           pattern (low up{2,} (top | flat)?) within interval '10' minute
           define UP as up.price > last(low.price), top as top.price > 2 * avg(up.price)
         ) as m",
        "    @step(name=A, from=bids)
      @do match low then up{2,} then (top or flat)?
            where up is up.price > last(low.price), top is top.price > 2 * avg(up.price)
            per auction
            order by price desc
            within 10m
            after match skip to last up
            give began = first(low.at), ups = count(up.*)
      @do select auction, began, ups",
    );
    same_steps(
        "    @step(name=Q)
      @do sql \"\"\"with b as (select * from bids where price > 1) select * from b match_recognize (
        partition by auction, upper(currency) measures a.price as first_price pattern (permute(a, b)) define a as a.bidder = 1)\"\"\" keep for ever",
        "    @step(name=A, from=bids)
      @when price > 1
      @do match (a then b) or (b then a) where a is a.bidder = 1 per auction, upper(currency) as upper give first_price = a.price keep for ever",
    );
}

#[test]
fn running_aggregates() {
    same(
        "select auction, price, sum(price) over w as total, count(*) over w as n
         from bids window w as (partition by auction order by at range between interval '1' hour preceding and current row)",
        "    @step(name=A, from=bids)
      @do running total = sum(price), n = count(*) per auction order by at within 1h
      @do select auction, price, total, n",
    );
    same_steps(
        "    @step(name=Q)
      @do sql \"\"\"select auction, max(price) over (partition by auction order by at, bidder rows 9 preceding) as high from bids\"\"\" keep state for 1d",
        "    @step(name=A, from=bids)
      @do running high = max(price) per auction order by at, bidder within 10 rows keep state for 1d
      @do select auction, high",
    );
    same(
        "select auction, sum(price) over (partition by window_start, window_end, auction order by at) as so_far
         from table(tumble(table bids, descriptor(at), interval '1' day))",
        "    @step(name=A, from=bids)
      @do running so_far = sum(price) per auction order by at in tumbling(1d) on at
      @do select auction, so_far",
    );
}
