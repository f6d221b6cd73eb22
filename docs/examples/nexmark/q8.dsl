Feature: Nexmark 8: monitor new users
  Who signed up and opened an auction within the same ten seconds?

  Background:
    @source(name=auctions, type=nexmark, kind=auction, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})
    @source(name=people, type=nexmark, kind=person, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: New sellers
    Each person comes once, however many auctions he opened.

    @step(name=Sellers, from=people)
      @do   semi join auctions on auctions.seller = people.id in tumbling(10s)
      @do   select id, name, date_bin(interval '10 seconds', date_time) as start_time
    @sink(type=file, path="out/q8.jsonl")

    Examples: one sells at once, one later
      Given people
        | id   | name      | date_time            |
        | 1001 | Ada Arden | 2026-01-01T00:00:01Z |
        | 1002 | Ben Brook | 2026-01-01T00:00:02Z |
      And auctions
        | id   | seller | date_time            |
        | 2000 | 1001   | 2026-01-01T00:00:03Z |
        | 2001 | 1001   | 2026-01-01T00:00:04Z |
        | 2002 | 1002   | 2026-01-01T00:00:12Z |
      When the input ends
      Then Sellers is
        | id   | name      | start_time           |
        | 1001 | Ada Arden | 2026-01-01T00:00:00Z |
