Feature: Nexmark 3: local item suggestion
  Who sells what in Oregon, Idaho or California?

  Background:
    @source(name=auctions, type=nexmark, kind=auction, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})
    @source(name=people, type=nexmark, kind=person, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Local sellers of one category
    A seller may come after his first auction, and may open any number of them: both sides are kept, and every pair goes out once,
    when its second half comes.

    @step(name=Locals, from=people)
      @when state in ('OR', 'ID', 'CA')
    @step(name=Offers, from=auctions)
      @when category = 10
      @do   join Locals on Locals.id = auctions.seller keep for ever
      @do   select Locals.name, Locals.city, Locals.state, auctions.id
    @sink(type=file, path="out/q3.jsonl")

    Examples: a seller from Oregon, one from Washington
      Given people
        | id   | name      | city     | state | date_time            |
        | 1001 | Ada Arden | Portland | OR    | 2026-01-01T00:00:00Z |
        | 1002 | Ben Brook | Seattle  | WA    | 2026-01-01T00:00:00Z |
      And auctions
        | id   | seller | category | date_time            |
        | 2000 | 1001   | 10       | 2026-01-01T00:00:01Z |
        | 2001 | 1001   | 11       | 2026-01-01T00:00:01Z |
        | 2002 | 1002   | 10       | 2026-01-01T00:00:01Z |
      Then Offers is
        | name      | city     | state | id   |
        | Ada Arden | Portland | OR    | 2000 |
