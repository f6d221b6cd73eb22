Feature: Nexmark 19: top ten bids
  What are the ten highest bids on each auction?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: The ten highest bids
    Of bids of the same price the earlier one stands before the later. A bid that enters the list moves others down, and may push one out:
    the result is a changelog.

    @step(name=Ranked)
      @do   top 10 by price desc, date_time per auction as rank_number keep for ever
    @sink(type=file, path="out/q19.jsonl")
