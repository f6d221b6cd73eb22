Feature: A table that changes

  Scenario: The owner at the time
    @source(name=payments, type=file, path="payments.jsonl", follow=true, contract=Payment@1)
    @source(name=cards, type=file, path="cards.jsonl", follow=true, contract=Card@1, key=card_id)
    @step(name=Owned, from=payments)
      @do   join cards on cards.card_id = payments.card_id keep for ever
      @do   select payments.card_id, amount, owner
    @sink(type=blackhole)

    Examples: a row sees the table as it is when it comes
      Given cards
        | card_id | owner |
        | c1      | Ada   |
      And payments
        | card_id | amount | paid_at              |
        | c1      | 1.00   | 2026-01-01T00:00:01Z |
        | c2      | 1.00   | 2026-01-01T00:00:01Z |
      And cards
        | card_id | owner |
        | c1      | Bea   |
        | c2      | Cid   |
      And payments
        | card_id | amount | paid_at              |
        | c1      | 2.00   | 2026-01-01T00:00:02Z |
        | c2      | 2.00   | 2026-01-01T00:00:02Z |
      Then Owned is
        | card_id | amount | owner |
        | c1      | 1.00   | Ada   |
        | c1      | 2.00   | Bea   |
        | c2      | 2.00   | Cid   |
      And cards is
        | card_id | owner |
        | c1      | Bea   |
        | c2      | Cid   |
