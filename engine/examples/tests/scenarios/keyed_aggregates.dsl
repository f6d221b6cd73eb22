Feature: Aggregates over a table

  Scenario: Cards per owner
    @source(name=cards, type=file, path="cards.jsonl", follow=true, contract=Credit@1, key=card_id)
    @step(name=PerOwner, from=cards)
      @do   aggregate n = count(*), limits = sum(credit), newest = max(card_id)
              by owner
              keep for ever
    @sink(type=blackhole)

    Examples: a row that is replaced counts no more
      Given cards
        | card_id | owner | credit |
        | c1      | Ada   | 100    |
        | c2      | Ada   | 50     |
        | c3      | Bea   | 10     |
      Then PerOwner is
        | owner | n | limits | newest |
        | Ada   | 2 | 150    | c2     |
        | Bea   | 1 | 10     | c3     |
      Given cards
        | card_id | owner | credit |
        | c2      | Bea   | 60     |
        | c3      | Bea   | 10     |
      Then PerOwner is
        | owner | n | limits | newest |
        | Ada   | 1 | 100    | c1     |
        | Bea   | 2 | 70     | c3     |
      Given cards
        | card_id | owner | credit |
        | c1      | Bea   | 1      |
      Then PerOwner is
        | owner | n | limits | newest |
        | Bea   | 3 | 71     | c3     |

  Scenario: In all
    @source(name=cards, type=file, path="cards.jsonl", contract=Credit@1, key=card_id)
    @step(name=All, from=cards)
      @do   aggregate n = count(*), limits = sum(credit) emit on close
    @sink(type=blackhole)

    Examples: the last rows count
      Given cards
        | card_id | owner | credit |
        | c1      | Ada   | 100    |
        | c1      | Ada   | 50     |
        | c3      | Bea   | 10     |
      When the input ends
      Then All is
        | n | limits |
        | 2 | 60     |

Contract: Credit version 1
  | field   | type   | rules         |
  | card_id | string | required, key |
  | owner   | string |               |
  | credit  | int    |               |
