Feature: Joins with a table

  Background:
    @source(name=payments, type=file, path="payments.jsonl", contract=Payment@1)
    @source(name=cards, type=file, path="cards.jsonl", contract=Card@1, key=card_id)

  Scenario: Owners of cards
    @step(name=Known, from=payments)
      @do   inner join cards on cards.card_id = payments.card_id
      @do   select payments.card_id, amount, owner
    @step(name=Maybe, from=payments)
      @do   left join cards on cards.card_id = payments.card_id
      @do   select payments.card_id, amount, owner
    @step(name=Matched, from=payments)
      @do   semi join cards on cards.card_id = payments.card_id
    @step(name=Unmatched, from=payments)
      @do   anti join cards on cards.card_id = payments.card_id
    @step(name=Covered, from=payments)
      @do   join cards on cards.card_id = payments.card_id and cards.credit >= payments.amount
      @do   select payments.card_id, amount, credit
    @sink(type=blackhole, from=Known)
    @sink(name=s2, type=blackhole, from=Maybe)
    @sink(name=s3, type=blackhole, from=Matched)
    @sink(name=s4, type=blackhole, from=Unmatched)
    @sink(name=s5, type=blackhole, from=Covered)

    Examples: a table that ends is complete before the first row comes
      Given payments
        | card_id | amount | paid_at              |
        | c1      | 10.00  | 2026-01-01T00:00:01Z |
        | c2      | 20.00  | 2026-01-01T00:00:02Z |
        | c3      | 30.00  | 2026-01-01T00:00:03Z |
        | c1      | 40.00  | 2026-01-01T00:00:04Z |
      And cards
        | card_id | owner | credit |
        | c1      | Ada   | 15     |
        | c2      |       | 15     |
        | c9      | Eve   | 99     |
      Then Known is
        | card_id | amount | owner |
        | c1      | 10.00  | Ada   |
        | c2      | 20.00  |       |
        | c1      | 40.00  | Ada   |
      And Maybe is
        | card_id | amount | owner |
        | c1      | 10.00  | Ada   |
        | c2      | 20.00  |       |
        | c3      | 30.00  |       |
        | c1      | 40.00  | Ada   |
      And Matched is
        | card_id | amount |
        | c1      | 10.00  |
        | c2      | 20.00  |
        | c1      | 40.00  |
      And Unmatched is
        | card_id | amount |
        | c3      | 30.00  |
      And Covered is
        | card_id | amount | credit |
        | c1      | 10.00  | 15     |
