Feature: Nexmark 21: channel ids
  Which number does the channel of a bid have?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Bids with the number of their channel
    Four channels have a number by their name; others have it in the address of the page. A bid without either is left out.

    @step(name=Numbered)
      @do   set channel_id = case lower(channel)
                when 'apple' then '0'
                when 'google' then '1'
                when 'facebook' then '2'
                when 'baidu' then '3'
                else nullif(split_part(split_part(url, '&channel_id=', 2), '&', 1), '')
              end
      @do   keep channel_id is not null
      @do   select auction, bidder, price, channel, channel_id
    @sink(type=file, path="out/q21.jsonl")

    Examples: by name, by address, not at all
      Given bids
        | auction | bidder | price | channel   | url                                     | date_time            |
        | 1007    | 1001   | 100   | Apple     | https://a.example/?q=1                  | 2026-01-01T00:00:01Z |
        | 1008    | 1001   | 100   | channel-7 | https://a.example/?q=1&channel_id=7&x=1 | 2026-01-01T00:00:01Z |
        | 1009    | 1001   | 100   | channel-8 | https://a.example/?q=1                  | 2026-01-01T00:00:01Z |
      Then Numbered is
        | auction | channel_id |
        | 1007    | 0          |
        | 1008    | 7          |
