//! Nexmark in SQL: each query, written as streaming SQL, gives the plan that its scenario of verbs gives.

use crate::support::root;
use runink_connector_api::ConnectorSpec;
use runink_dsl::{Project, SourceFile, variables::Variables};
use runink_planner::{PlanInput, explain::shape, plan_scenario};
use std::collections::BTreeMap;

/// What each query is in SQL, and what it says of its state.
const QUERIES: &[(&str, &str, &str)] = &[
    ("q0", "select auction, bidder, price, date_time, extra from bids", ""),
    (
        "q1",
        "select auction, bidder, cast(price as decimal(19, 0)) * cast(0.908 as decimal(4, 3)) as price, date_time, extra from bids",
        "",
    ),
    ("q2", "select auction, price from bids where auction % 123 = 0", ""),
    (
        "q3",
        "select p.name, p.city, p.state, a.id
         from (select * from auctions where category = 10) a
         join (select * from people where state in ('OR', 'ID', 'CA')) p on p.id = a.seller",
        "keep for ever",
    ),
    (
        "q4",
        "select category, avg(final) as average
         from (select auction, category, max(price) as final from bids, auctions
               where id = auction and bids.date_time between auctions.date_time and expires group by auction, category) q
         group by category",
        "keep for ever",
    ),
    (
        "q6",
        "select seller, avg(final) as average
         from (select *, row_number() over (partition by seller order by expires desc, auction desc) as nth
               from (select auction, seller, expires, max(price) as final from bids, auctions
                     where id = auction and bids.date_time between auctions.date_time and expires group by auction, seller, expires) q) r
         where nth <= 10
         group by seller",
        "keep for ever",
    ),
    (
        "q7",
        "select auction, bidder, price, date_time, extra
         from (select *, rank() over (partition by window_start, window_end order by price desc) as place
               from table(tumble((select auction, bidder, price, date_time, extra from bids), descriptor(date_time), interval '10' second))) ranked
         where place = 1",
        "",
    ),
    (
        "q8",
        "select id, name, date_bin(interval '10 seconds', date_time) as start_time
         from table(tumble(table people, descriptor(date_time), interval '10' second)) p
         where exists (select 1 from table(tumble(table auctions, descriptor(date_time), interval '10' second)) a
                       where a.seller = p.id and a.window_start = p.window_start and a.window_end = p.window_end)",
        "",
    ),
    (
        "q9",
        "select id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra, auction, bidder, price, bid_date_time, bid_extra
         from (select *, row_number() over (partition by id order by price desc, bid_date_time) as nth
               from (select auctions.*, auction, bidder, price, bids.date_time as bid_date_time, bids.extra as bid_extra
                     from auctions join bids on auction = id and bids.date_time between auctions.date_time and expires) offers) ranked
         where nth <= 1",
        "keep for ever",
    ),
    (
        "q11",
        "select bidder, count(*) as bid_count, session_start(date_time, interval '10' second) as start_time,
                session_end(date_time, interval '10' second) as end_time
         from bids group by bidder, session(date_time, interval '10' second)",
        "",
    ),
    (
        "q12",
        "select bidder, count(*) as bid_count, window_start as start_time, window_end as end_time
         from table(tumble(table bids, descriptor(proctime()), interval '10' second)) group by bidder, window_start, window_end",
        "",
    ),
    (
        "q13",
        "select b.auction, b.bidder, b.price, b.date_time, s.value
         from (select auction, bidder, price, date_time, auction % 10000 as side from bids) b join side_input s on s.key = b.side",
        "",
    ),
    (
        "q14",
        "select auction, bidder, price,
                case
                  when date_part('hour', date_time) between 8 and 18 then 'dayTime'
                  when date_part('hour', date_time) <= 6 or date_part('hour', date_time) >= 20 then 'nightTime'
                  else 'otherTime'
                end as bid_time_type,
                date_time, extra, octet_length(extra) - octet_length(replace(extra, 'c', '')) as c_counts
         from (select auction, bidder, cast(price as decimal(19, 0)) * cast(0.908 as decimal(4, 3)) as price, date_time, extra from bids) b
         where price > 1000000 and price < 50000000",
        "",
    ),
    (
        "q15",
        "select cast(date_time as date) as day, count(*) as total_bids,
                count(*) filter (where price < 10000) as rank1_bids,
                count(*) filter (where price >= 10000 and price < 1000000) as rank2_bids,
                count(*) filter (where price >= 1000000) as rank3_bids,
                count(distinct bidder) as total_bidders,
                count(distinct bidder) filter (where price < 10000) as rank1_bidders,
                count(distinct bidder) filter (where price >= 10000 and price < 1000000) as rank2_bidders,
                count(distinct bidder) filter (where price >= 1000000) as rank3_bidders,
                count(distinct auction) as total_auctions,
                count(distinct auction) filter (where price < 10000) as rank1_auctions,
                count(distinct auction) filter (where price >= 10000 and price < 1000000) as rank2_auctions,
                count(distinct auction) filter (where price >= 1000000) as rank3_auctions
         from bids group by day",
        "keep for ever",
    ),
    (
        "q17",
        "select auction, cast(date_time as date) as day, count(*) as total_bids,
                count(*) filter (where price < 10000) as rank1_bids,
                count(*) filter (where price >= 10000 and price < 1000000) as rank2_bids,
                count(*) filter (where price >= 1000000) as rank3_bids,
                min(price) as min_price, max(price) as max_price, avg(price) as avg_price, sum(price) as sum_price
         from bids group by auction, cast(date_time as date)",
        "keep for ever",
    ),
    (
        "q18",
        "select auction, bidder, price, channel, url, date_time, extra
         from (select *, row_number() over (partition by bidder, auction order by date_time desc) as nth from bids) where nth = 1",
        "keep for ever",
    ),
    (
        "q19",
        "select * from (select *, row_number() over (partition by auction order by price desc, date_time) as rank_number from bids)
         where rank_number <= 10",
        "keep for ever",
    ),
    (
        "q20",
        "select auction, bidder, price, channel, url, bids.date_time as bid_date_time, bids.extra as bid_extra, item_name, description, initial_bid,
                reserve, chosen.date_time as auction_date_time, expires, seller, category, chosen.extra as auction_extra
         from bids join (select * from auctions where category = 10) as \"Chosen\" on chosen.id = auction",
        "keep for ever",
    ),
    (
        "q21",
        "select auction, bidder, price, channel, channel_id
         from (select *, case lower(channel)
                           when 'apple' then '0'
                           when 'google' then '1'
                           when 'facebook' then '2'
                           when 'baidu' then '3'
                           else nullif(split_part(split_part(url, '&channel_id=', 2), '&', 1), '')
                         end as channel_id from bids) b
         where channel_id is not null",
        "",
    ),
    (
        "q22",
        "select auction, bidder, price, channel, split_part(url, '/', 4) as dir1, split_part(url, '/', 5) as dir2,
                split_part(url, '/', 6) as dir3 from bids",
        "",
    ),
    (
        "pattern-0",
        "select auction, bidder, start_time, bottom_time, end_time from bids match_recognize (
           partition by auction, bidder order by date_time
           measures start.date_time as start_time, down.date_time as bottom_time, up.date_time as end_time
           one row per match after match skip to last up
           pattern (start down+ up)
           define down as down.price < coalesce(last(down.price, 1), start.price), up as up.price > last(down.price, 1))",
        "keep for ever",
    ),
    (
        "pattern-1",
        "select auction, bidder, start_time, end_time, avg_price from bids match_recognize (
           partition by auction, bidder order by date_time
           measures first(cheap.date_time) as start_time, cheap.date_time as end_time, avg(cheap.price) as avg_price
           pattern (cheap+ next)
           define cheap as avg(cheap.price) < 10000)",
        "keep for ever",
    ),
    (
        "pattern-2",
        "select auction, bidder, start_time, end_time, avg_price from bids match_recognize (
           partition by auction, bidder order by date_time
           measures first(cheap.date_time) as start_time, cheap.date_time as end_time, avg(cheap.price) as avg_price
           one row per match after match skip to next row
           pattern (cheap+ next)
           define cheap as avg(cheap.price) < 10000)",
        "keep for ever",
    ),
    (
        "pattern-3",
        "select auction, bidder, drop_time, drop_diff from bids match_recognize (
           partition by auction, bidder order by date_time
           measures low.date_time as drop_time, start.price - low.price as drop_diff
           pattern (start steady* low) within interval '5' second
           define steady as steady.price > start.price - 50, low as low.price < start.price - 50)",
        "",
    ),
];

fn plan_of(text: String) -> String {
    let project = Project::new(vec![SourceFile { path: "query.dsl".into(), text: text.clone() }]);
    let shown =
        |found: &[runink_dsl::Diagnostic]| -> String { found.iter().map(|d| runink_dsl::render(d, &project.sources, false)).collect() };
    assert!(!project.has_errors(), "{}", shown(&project.diagnostics));
    let scenario = project.scenario(project.scenarios()[0]).unwrap();
    let connectors = runink_files::connectors().into_iter().chain(runink_generators::connectors());
    let connectors: Vec<&'static ConnectorSpec> = connectors.map(|c| c.spec()).collect();
    let (variables, discovered) = (Variables::default(), BTreeMap::new());
    let input = PlanInput {
        project: &project,
        scenario: &scenario,
        connectors: &connectors,
        variables: &variables,
        discovered: &discovered,
        observe: &[],
    };
    let planned = plan_scenario(&input);
    shape(planned.plan.unwrap_or_else(|| panic!("{text}\n{}", shown(&planned.diagnostics))))
}

/// The scenario with one query in place of its steps.
fn in_sql(text: &str, query: &str, keep: &str) -> String {
    let start = text.find("    @step").unwrap();
    let end = text.find("    @sink").unwrap();
    format!("{}    @step(name=Query)\n      @do sql \"\"\"{query}\"\"\" {keep}\n{}", &text[..start], &text[end..])
}

/// Without the examples, which name the steps of the verbs.
fn without_examples(text: &str) -> String {
    let start = text.find("    Examples:").unwrap_or(text.len());
    let end = text[start..].find("\nContract:").map_or(text.len(), |i| start + i);
    format!("{}{}", &text[..start], &text[end..])
}

#[test]
fn queries_in_sql_have_the_plans_of_the_verbs() {
    let mut wrong = String::new();
    for (name, query, keep) in QUERIES {
        let text = std::fs::read_to_string(root().join(format!("docs/examples/nexmark/{name}.dsl"))).unwrap();
        let text = without_examples(&text);
        let (verbs, sql) = (plan_of(text.clone()), plan_of(in_sql(&text, query, keep)));
        if verbs != sql {
            wrong.push_str(&format!("{name}:\n--- verbs\n{verbs}\n--- SQL\n{sql}\n"));
        }
    }
    assert!(wrong.is_empty(), "these differ:\n{wrong}");
}
