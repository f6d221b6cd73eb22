Feature: Nexmark 6: average selling price by seller
  What do the last ten auctions of a seller sell for, on the average?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})
    @source(name=auctions, type=nexmark, kind=auction, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Sellers by their last ten sales
    An auction is sold when it expires: the highest bid is taken in a window at that moment, which closes when the watermark has passed it.
    Each sale pushes the seller's eleventh out of the average.

    @step(name=Offers, from=bids)
      @do   join auctions on auctions.id = bids.auction and bids.date_time between auctions.date_time and auctions.expires
              keep for ever
    @step(name=Sales)
      @do   aggregate final = max(price)
              by auction, seller, expires
              in tumbling(1s) on expires
    @step(name=Recent)
      @do   top 10 by expires desc, auction desc per seller keep for ever
    @step(name=Averages)
      @do   aggregate average = avg(final)
              by seller
              keep for ever
    @sink(type=file, path="out/q6.jsonl")
