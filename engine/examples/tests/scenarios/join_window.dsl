Feature: A join, then a window

  Scenario: Payments per owner
    @source(name=payments, type=file, path="payments.jsonl", contract=Payment@1, lateness=10s)
    @source(name=cards, type=file, path="cards.jsonl", contract=Card@1, key=card_id)
    @step(name=Owned, from=payments)
      @when status = 'approved'
      @do   left join cards on cards.card_id = payments.card_id
      @do   set owner = coalesce(owner, 'nobody')
    @step(name=PerOwner)
      @do   aggregate n = count(*), total = sum(amount)
              by owner
              in tumbling(1h)
      @then total < 1000 otherwise reject
    @sink(type=blackhole)

    Examples: the window takes its time from the stream
      Given cards
        | card_id | owner |
        | c1      | Ada   |
        | c2      | Ada   |
      And payments
        | card_id | status   | amount  | paid_at              |
        | c1      | approved | 10.00   | 2026-01-01T00:10:00Z |
        | c2      | approved | 20.00   | 2026-01-01T00:20:00Z |
        | c2      | declined | 50.00   | 2026-01-01T00:20:00Z |
        | c3      | approved | 5.00    | 2026-01-01T00:30:00Z |
        | c1      | approved | 2000.00 | 2026-01-01T01:00:09Z |
      Then PerOwner is empty
      When the watermark of payments reaches 2026-01-01T01:00:00Z
      Then PerOwner is
        | owner  | n | total |
        | Ada    | 2 | 30.00 |
        | nobody | 1 | 5.00  |
      When the input ends
      Then PerOwner is
        | owner  | n | total |
        | Ada    | 2 | 30.00 |
        | nobody | 1 | 5.00  |
      And rejected is
        | reason      | step     |
        | expectation | PerOwner |
