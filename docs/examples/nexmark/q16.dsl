Feature: Nexmark 16: channel statistics
  How many bidders and auctions does a channel have each day, for cheap, middling and dear bids?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Statistics of a channel
    They grow with every bid: the result is a changelog. `minute` is the last one of the day in which the channel had a bid.

    @step(name=Statistics)
      @do   aggregate latest = max(date_time),
              total_bids = count(*),
              rank1_bids = count(*) filter (where price < 10000),
              rank2_bids = count(*) filter (where price >= 10000 and price < 1000000),
              rank3_bids = count(*) filter (where price >= 1000000),
              total_bidders = count(distinct bidder),
              rank1_bidders = count(distinct bidder) filter (where price < 10000),
              rank2_bidders = count(distinct bidder) filter (where price >= 10000 and price < 1000000),
              rank3_bidders = count(distinct bidder) filter (where price >= 1000000),
              total_auctions = count(distinct auction),
              rank1_auctions = count(distinct auction) filter (where price < 10000),
              rank2_auctions = count(distinct auction) filter (where price >= 10000 and price < 1000000),
              rank3_auctions = count(distinct auction) filter (where price >= 1000000)
              by channel, cast(date_time as date) as day
              keep for ever
    @step(name=Report)
      @do   select channel, day, to_char(latest, '%H:%M') as minute,
              total_bids, rank1_bids, rank2_bids, rank3_bids,
              total_bidders, rank1_bidders, rank2_bidders, rank3_bidders,
              total_auctions, rank1_auctions, rank2_auctions, rank3_auctions
    @sink(type=file, path="out/q16.jsonl")

    Examples: two bids in one channel
      Given bids
        | auction | bidder | price   | channel | date_time            |
        | 1007    | 1001   | 100     | apple   | 2026-01-01T00:00:01Z |
        | 1008    | 1001   | 2000000 | apple   | 2026-01-01T08:15:02Z |
      Then Report is
        | channel | day        | minute | total_bids | rank1_bids | rank3_bids | total_bidders | total_auctions |
        | apple   | 2026-01-01 | 08:15  | 2          | 1          | 1          | 1             | 2              |
