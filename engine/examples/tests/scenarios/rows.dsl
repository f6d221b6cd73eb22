Feature: Row operations

  Background:
    @source(name=payments, type=file, path="payments.jsonl", contract=Payment@1)

  Scenario: Columns come and go
    @step(name=Shaped)
      @when status = 'approved'
      @do   set cents = cast(amount * 100 as bigint), large = amount >= 10
      @do   rename card_id to card
      @do   drop status
      @do   keep cents > 0
    @step(name=Picked)
      @do   select card, upper(card) as shouted, amount + 1 as more, paid_at
    @sink(type=blackhole)

    Examples: each step sees the columns that the one before it left
      Given payments
        | card_id | status   | amount | paid_at              |
        | c1      | approved | 1.50   | 2026-01-01T00:00:01Z |
        | c2      | approved | 10.00  | 2026-01-01T00:00:02Z |
        | c3      | declined | 20.00  | 2026-01-01T00:00:03Z |
        | c4      | approved | 0.00   | 2026-01-01T00:00:04Z |
        | c5      |          | 5.00   | 2026-01-01T00:00:05Z |
      Then Shaped is
        | card | amount | paid_at              | cents | large |
        | c1   | 1.50   | 2026-01-01T00:00:01Z | 150   | false |
        | c2   | 10.00  | 2026-01-01T00:00:02Z | 1000  | true  |
      And Picked is
        | card | shouted | more  | paid_at              |
        | c1   | C1      | 2.50  | 2026-01-01T00:00:01Z |
        | c2   | C2      | 11.00 | 2026-01-01T00:00:02Z |
      And rejected is empty

  Scenario: A line sees the columns from before it
    @step(name=Swapped)
      @do   set card_id = status, status = card_id
    @sink(type=blackhole)

    Examples: two columns change places
      Given payments
        | card_id | status   | amount | paid_at              |
        | c1      | approved | 1.50   | 2026-01-01T00:00:01Z |
      Then Swapped is
        | card_id  | status |
        | approved | c1     |
