Feature: Nexmark 13: bounded side input
  What does a file say of the auction that is bid on?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})
    @source(name=side_input, type=file, path="data/side_input.csv.gz", contract=SideInput@1, key=key)

  Scenario: Bids with a value from a file
    The file is read before the first bid, so that no bid misses its partner.

    @step(name=Keyed)
      @do   select auction, bidder, price, date_time, auction % 10000 as side
    @step(name=Enriched)
      @do   join side_input on side_input.key = Keyed.side
      @do   select auction, bidder, price, date_time, side_input.value
    @sink(type=file, path="out/q13.jsonl")

    Examples: a bid with a partner, one without
      Given side_input
        | key  | value |
        | 1007 | seven |
      And bids
        | auction | bidder | price | date_time            |
        | 11007   | 1001   | 250   | 2026-01-01T00:00:01Z |
        | 11008   | 1001   | 250   | 2026-01-01T00:00:01Z |
      Then Enriched is
        | auction | value |
        | 11007   | seven |

Contract: SideInput version 1
  | field | type   | rules         |
  | key   | int64  | required, key |
  | value | string | required      |
