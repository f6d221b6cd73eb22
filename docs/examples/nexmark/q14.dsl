Feature: Nexmark 14: calculation
  Expensive bids, by the time of the day.

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Expensive bids
    The published query counts letters with a function of its own; here `replace` does it.

    @step(name=Expensive)
      @do   set price = cast(price as decimal(19, 0)) * cast(0.908 as decimal(4, 3))
      @do   keep price > 1000000 and price < 50000000
      @do   select auction, bidder, price,
              case
                  when date_part('hour', date_time) between 8 and 18 then 'dayTime'
                  when date_part('hour', date_time) <= 6 or date_part('hour', date_time) >= 20 then 'nightTime'
                  else 'otherTime'
                end as bid_time_type,
              date_time, extra, octet_length(extra) - octet_length(replace(extra, 'c', '')) as c_counts
    @sink(type=file, path="out/q14.jsonl")

    Examples: a bid at noon, one that is too cheap
      Given bids
        | auction | bidder | price   | date_time            | extra |
        | 1007    | 1001   | 2000000 | 2026-01-01T12:00:00Z | accra |
        | 1007    | 1001   | 1000000 | 2026-01-01T12:00:00Z | accra |
      Then Expensive is
        | auction | price       | bid_time_type | c_counts |
        | 1007    | 1816000.000 | dayTime       | 2        |
