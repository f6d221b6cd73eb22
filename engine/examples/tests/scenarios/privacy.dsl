Feature: Privacy

  Scenario: Nobody is named
    @source(name=cards, type=file, path="cards.jsonl", contract=Card@1)
    @step(name=Masked)
      @do   mask owner with sha256
      @do   truncate card_id with 1
    @sink(type=blackhole)

    Examples: what goes out cannot be read
      Given cards
        | card_id | owner | credit |
        | c123    | Ada   | 1      |
        | c456    |       | 2      |
      Then Masked is
        | card_id | owner                                                            | credit |
        | c       | 99a563ab2f6e21e96998f9fddd2a2bab82b70ac019579502b8d7fc0032ff62bb | 1      |
        | c       |                                                                  | 2      |
