Feature: Nexmark 22: folders of the address
  In which folders lies the page that a bid came from?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Bids with three folders
    The address is cut at its slashes.

    @step(name=Folders)
      @do   select auction, bidder, price, channel,
              split_part(url, '/', 4) as dir1, split_part(url, '/', 5) as dir2, split_part(url, '/', 6) as dir3
    @sink(type=file, path="out/q22.jsonl")

    Examples: an address is cut
      Given bids
        | auction | bidder | price | channel | url                              | date_time            |
        | 1007    | 1001   | 100   | apple   | https://a.example/x/y/z/item.htm | 2026-01-01T00:00:01Z |
      Then Folders is
        | auction | dir1 | dir2 | dir3 |
        | 1007    | x    | y    | z    |
