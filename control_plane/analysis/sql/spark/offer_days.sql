-- Made by scripts/analysis_sql.py from control_plane/analysis/expressions.py; do not edit.
WITH `t13` AS (
  SELECT
    *
  FROM `redemptions` AS `t2`
  WHERE
    `t2`.`state` = 'committed'
), `t16` AS (
  SELECT
    `t5`.`decision` AS `exposure_of`,
    `t5`.`time_s` AS `exposure_s`
  FROM `touches` AS `t5`
  WHERE
    `t5`.`kind` = 'exposure' AND NOT (
      `t5`.`bot`
    )
)
SELECT
  *
FROM (
  SELECT
    `t47`.`day_s`,
    `t47`.`placement`,
    `t47`.`offer`,
    `t47`.`version`,
    SUM(`t47`.`exposures`) AS `exposures`,
    SUM(`t47`.`clicks`) AS `clicks`,
    SUM(`t47`.`redemptions`) AS `redemptions`,
    SUM(`t47`.`cost_micros`) AS `cost_micros`,
    SUM(`t47`.`orders`) AS `orders`,
    SUM(`t47`.`revenue_micros`) AS `revenue_micros`,
    SUM(`t47`.`profit_micros`) AS `profit_micros`,
    SUM(`t47`.`returns`) AS `returns`,
    SUM(`t47`.`returned_micros`) AS `returned_micros`
  FROM (
    SELECT
      *
    FROM (
      SELECT
        *
      FROM (
        SELECT
          `t29`.`changed_s` - (
            `t29`.`changed_s` % 86400
          ) AS `day_s`,
          `t29`.`placement`,
          `t29`.`offer`,
          `t29`.`version`,
          0 AS `exposures`,
          0 AS `clicks`,
          CAST(1 AS BIGINT) AS `redemptions`,
          `t29`.`cost_micros`,
          0 AS `orders`,
          0 AS `revenue_micros`,
          0 AS `profit_micros`,
          0 AS `returns`,
          0 AS `returned_micros`
        FROM (
          SELECT
            `t21`.`reservation`,
            `t21`.`token`,
            `t21`.`order_id`,
            `t21`.`subject`,
            COALESCE(`t8`.`offer`, `t21`.`offer`) AS `offer`,
            `t21`.`rung`,
            `t21`.`placement`,
            `t21`.`bundle`,
            `t21`.`currency`,
            `t21`.`discount_micros`,
            `t21`.`cost_micros`,
            `t21`.`state`,
            `t21`.`reserved_s`,
            `t21`.`expires_s`,
            `t21`.`changed_s`,
            COALESCE(
              `t8`.`version`,
              CONCAT(
                'bundle:',
                SUBSTRING(`t21`.`bundle`, IF((
                  0 + 1
                ) >= 1, 0 + 1, 0 + 1 + LENGTH(`t21`.`bundle`)), 12)
              )
            ) AS `version`
          FROM `t13` AS `t21`
          LEFT OUTER JOIN `offers` AS `t8`
            ON `t21`.`bundle` = `t8`.`bundle`
            AND CONCAT(CONCAT(`t21`.`offer`, '/'), `t21`.`rung`) = `t8`.`arm`
        ) AS `t29`
      ) AS `t37`
      UNION ALL
      SELECT
        *
      FROM (
        SELECT
          `t41`.`day_s`,
          `t41`.`placement`,
          `t41`.`offer`,
          `t41`.`version`,
          0 AS `exposures`,
          0 AS `clicks`,
          0 AS `redemptions`,
          0 AS `cost_micros`,
          CAST(1 AS BIGINT) AS `orders`,
          `t41`.`revenue_micros`,
          `t41`.`earned_micros` AS `profit_micros`,
          0 AS `returns`,
          0 AS `returned_micros`
        FROM (
          SELECT
            `t34`.`time_s` - (
              `t34`.`time_s` % 86400
            ) AS `day_s`,
            `t40`.`placement`,
            `t40`.`offer`,
            `t40`.`version`,
            `t34`.`revenue_micros`,
            `t34`.`earned_micros`
          FROM (
            SELECT DISTINCT
              *
            FROM (
              SELECT
                `t36`.`placement`,
                `t36`.`offer`,
                `t36`.`version`,
                `t12`.`order_id`
              FROM (
                SELECT
                  *
                FROM (
                  SELECT
                    `t18`.`id`,
                    `t18`.`record`,
                    `t18`.`attested`,
                    `t18`.`time_s`,
                    `t18`.`placement`,
                    `t18`.`slot`,
                    `t18`.`unit`,
                    `t18`.`holdout_unit`,
                    `t18`.`global_unit`,
                    `t18`.`segment`,
                    `t18`.`flags`,
                    `t18`.`epoch`,
                    `t18`.`redraw`,
                    `t18`.`shown_arm`,
                    `t18`.`shown_tickets`,
                    `t18`.`shown_draw`,
                    `t18`.`shown_reason`,
                    `t18`.`ghost_arm`,
                    `t18`.`ghost_tickets`,
                    `t18`.`ghost_draw`,
                    `t18`.`ghost_reason`,
                    `t18`.`drawn_by`,
                    `t18`.`listed`,
                    `t18`.`bundle`,
                    `t18`.`manifest`,
                    COALESCE(`t8`.`offer`, ELEMENT_AT(SPLIT(`t18`.`shown_arm`, '/'), 0 + 1)) AS `offer`,
                    COALESCE(
                      `t8`.`version`,
                      CONCAT(
                        'bundle:',
                        SUBSTRING(`t18`.`bundle`, IF((
                          0 + 1
                        ) >= 1, 0 + 1, 0 + 1 + LENGTH(`t18`.`bundle`)), 12)
                      )
                    ) AS `version`
                  FROM (
                    SELECT
                      *
                    FROM `decisions` AS `t3`
                    WHERE
                      `t3`.`attested` AND `t3`.`shown_arm` <> 'none'
                  ) AS `t18`
                  LEFT OUTER JOIN `offers` AS `t8`
                    ON `t18`.`bundle` = `t8`.`bundle` AND `t18`.`shown_arm` = `t8`.`arm`
                ) AS `t27`
                WHERE
                  `t27`.`unit` <> '' AND (
                    `t27`.`flags` & 4
                  ) = 0
              ) AS `t36`
              LEFT SEMI JOIN `t16` AS `t23`
                ON `t36`.`id` = `t23`.`exposure_of`
              CROSS JOIN `settings` AS `t11`
              INNER JOIN `order_units` AS `t12`
                ON `t36`.`unit` = `t12`.`unit`
                AND `t12`.`time_s` >= `t36`.`time_s`
                AND `t12`.`time_s` < (
                  `t36`.`time_s` + `t11`.`attribution_s`
                )
            ) AS `t38`
          ) AS `t40`
          INNER JOIN (
            SELECT
              `t10`.`order_id`,
              `t10`.`time_s`,
              `t10`.`revenue_micros`,
              `t10`.`margin_micros` - COALESCE(`t25`.`cost_micros`, `t10`.`discount_micros`) AS `earned_micros`
            FROM `orders` AS `t10`
            LEFT OUTER JOIN (
              SELECT
                `t17`.`order_id`,
                SUM(`t17`.`cost_micros`) AS `cost_micros`
              FROM `t13` AS `t17`
              GROUP BY
                1
            ) AS `t25`
              ON `t10`.`order_id` = `t25`.`order_id`
          ) AS `t34`
            ON `t40`.`order_id` = `t34`.`order_id`
        ) AS `t41`
      ) AS `t43`
    ) AS `t44`
    UNION ALL
    SELECT
      *
    FROM (
      SELECT
        *
      FROM (
        SELECT
          `t42`.`day_s`,
          `t42`.`placement`,
          `t42`.`offer`,
          `t42`.`version`,
          0 AS `exposures`,
          0 AS `clicks`,
          0 AS `redemptions`,
          0 AS `cost_micros`,
          0 AS `orders`,
          0 AS `revenue_micros`,
          -(
            `t42`.`margin_micros`
          ) AS `profit_micros`,
          CAST(1 AS BIGINT) AS `returns`,
          `t42`.`refund_micros` AS `returned_micros`
        FROM (
          SELECT
            `t9`.`time_s` - (
              `t9`.`time_s` % 86400
            ) AS `day_s`,
            `t40`.`placement`,
            `t40`.`offer`,
            `t40`.`version`,
            `t9`.`refund_micros`,
            `t9`.`margin_micros`
          FROM (
            SELECT DISTINCT
              *
            FROM (
              SELECT
                `t36`.`placement`,
                `t36`.`offer`,
                `t36`.`version`,
                `t12`.`order_id`
              FROM (
                SELECT
                  *
                FROM (
                  SELECT
                    `t18`.`id`,
                    `t18`.`record`,
                    `t18`.`attested`,
                    `t18`.`time_s`,
                    `t18`.`placement`,
                    `t18`.`slot`,
                    `t18`.`unit`,
                    `t18`.`holdout_unit`,
                    `t18`.`global_unit`,
                    `t18`.`segment`,
                    `t18`.`flags`,
                    `t18`.`epoch`,
                    `t18`.`redraw`,
                    `t18`.`shown_arm`,
                    `t18`.`shown_tickets`,
                    `t18`.`shown_draw`,
                    `t18`.`shown_reason`,
                    `t18`.`ghost_arm`,
                    `t18`.`ghost_tickets`,
                    `t18`.`ghost_draw`,
                    `t18`.`ghost_reason`,
                    `t18`.`drawn_by`,
                    `t18`.`listed`,
                    `t18`.`bundle`,
                    `t18`.`manifest`,
                    COALESCE(`t8`.`offer`, ELEMENT_AT(SPLIT(`t18`.`shown_arm`, '/'), 0 + 1)) AS `offer`,
                    COALESCE(
                      `t8`.`version`,
                      CONCAT(
                        'bundle:',
                        SUBSTRING(`t18`.`bundle`, IF((
                          0 + 1
                        ) >= 1, 0 + 1, 0 + 1 + LENGTH(`t18`.`bundle`)), 12)
                      )
                    ) AS `version`
                  FROM (
                    SELECT
                      *
                    FROM `decisions` AS `t3`
                    WHERE
                      `t3`.`attested` AND `t3`.`shown_arm` <> 'none'
                  ) AS `t18`
                  LEFT OUTER JOIN `offers` AS `t8`
                    ON `t18`.`bundle` = `t8`.`bundle` AND `t18`.`shown_arm` = `t8`.`arm`
                ) AS `t27`
                WHERE
                  `t27`.`unit` <> '' AND (
                    `t27`.`flags` & 4
                  ) = 0
              ) AS `t36`
              LEFT SEMI JOIN `t16` AS `t23`
                ON `t36`.`id` = `t23`.`exposure_of`
              CROSS JOIN `settings` AS `t11`
              INNER JOIN `order_units` AS `t12`
                ON `t36`.`unit` = `t12`.`unit`
                AND `t12`.`time_s` >= `t36`.`time_s`
                AND `t12`.`time_s` < (
                  `t36`.`time_s` + `t11`.`attribution_s`
                )
            ) AS `t38`
          ) AS `t40`
          INNER JOIN `returns` AS `t9`
            ON `t40`.`order_id` = `t9`.`order_id`
        ) AS `t42`
      ) AS `t45`
      UNION ALL
      SELECT
        *
      FROM (
        SELECT
          *
        FROM (
          SELECT
            `t28`.`day_s`,
            `t28`.`placement`,
            `t28`.`offer`,
            `t28`.`version`,
            CAST(1 AS BIGINT) AS `exposures`,
            0 AS `clicks`,
            0 AS `redemptions`,
            0 AS `cost_micros`,
            0 AS `orders`,
            0 AS `revenue_micros`,
            0 AS `profit_micros`,
            0 AS `returns`,
            0 AS `returned_micros`
          FROM (
            SELECT
              `t22`.`exposure_s` - (
                `t22`.`exposure_s` % 86400
              ) AS `day_s`,
              `t18`.`placement`,
              COALESCE(`t8`.`offer`, ELEMENT_AT(SPLIT(`t18`.`shown_arm`, '/'), 0 + 1)) AS `offer`,
              COALESCE(
                `t8`.`version`,
                CONCAT(
                  'bundle:',
                  SUBSTRING(`t18`.`bundle`, IF((
                    0 + 1
                  ) >= 1, 0 + 1, 0 + 1 + LENGTH(`t18`.`bundle`)), 12)
                )
              ) AS `version`
            FROM (
              SELECT
                *
              FROM `decisions` AS `t3`
              WHERE
                `t3`.`attested` AND `t3`.`shown_arm` <> 'none'
            ) AS `t18`
            LEFT OUTER JOIN `offers` AS `t8`
              ON `t18`.`bundle` = `t8`.`bundle` AND `t18`.`shown_arm` = `t8`.`arm`
            INNER JOIN `t16` AS `t22`
              ON `t18`.`id` = `t22`.`exposure_of`
          ) AS `t28`
        ) AS `t31`
        UNION ALL
        SELECT
          *
        FROM (
          SELECT
            `t26`.`day_s`,
            `t26`.`placement`,
            `t26`.`offer`,
            `t26`.`version`,
            0 AS `exposures`,
            CAST(1 AS BIGINT) AS `clicks`,
            0 AS `redemptions`,
            0 AS `cost_micros`,
            0 AS `orders`,
            0 AS `revenue_micros`,
            0 AS `profit_micros`,
            0 AS `returns`,
            0 AS `returned_micros`
          FROM (
            SELECT
              `t19`.`click_s` - (
                `t19`.`click_s` % 86400
              ) AS `day_s`,
              `t18`.`placement`,
              COALESCE(`t8`.`offer`, ELEMENT_AT(SPLIT(`t18`.`shown_arm`, '/'), 0 + 1)) AS `offer`,
              COALESCE(
                `t8`.`version`,
                CONCAT(
                  'bundle:',
                  SUBSTRING(`t18`.`bundle`, IF((
                    0 + 1
                  ) >= 1, 0 + 1, 0 + 1 + LENGTH(`t18`.`bundle`)), 12)
                )
              ) AS `version`
            FROM (
              SELECT
                *
              FROM `decisions` AS `t3`
              WHERE
                `t3`.`attested` AND `t3`.`shown_arm` <> 'none'
            ) AS `t18`
            LEFT OUTER JOIN `offers` AS `t8`
              ON `t18`.`bundle` = `t8`.`bundle` AND `t18`.`shown_arm` = `t8`.`arm`
            INNER JOIN (
              SELECT
                `t5`.`decision` AS `click_of`,
                `t5`.`time_s` AS `click_s`
              FROM `touches` AS `t5`
              WHERE
                `t5`.`kind` = 'click' AND NOT (
                  `t5`.`bot`
                )
            ) AS `t19`
              ON `t18`.`id` = `t19`.`click_of`
          ) AS `t26`
        ) AS `t30`
      ) AS `t33`
    ) AS `t46`
  ) AS `t47`
  GROUP BY
    1,
    2,
    3,
    4
) AS `t48`
ORDER BY
  `t48`.`day_s` ASC NULLS LAST,
  `t48`.`placement` ASC NULLS LAST,
  `t48`.`offer` ASC NULLS LAST,
  `t48`.`version` ASC NULLS LAST
